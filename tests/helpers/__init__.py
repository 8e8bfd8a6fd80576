"""What several tests share: small data with known answers, recommenders, servers and damage."""
