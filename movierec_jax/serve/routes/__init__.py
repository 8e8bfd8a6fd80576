"""The routes of the API by topic; the name of each function is its operation in the OpenAPI document."""
