"""Recommenders to compare with, one in each file; a file's name is the peer's name in `config.PEERS`.

Each file has `PEER`, a `peer.Peer`.
"""
