"""HTTP service of a trained run: lists in milliseconds, ratings as they come, and a web page.

    request ─guards─> app ─schemas─> service ─batching─> engine ─catalogue─> JSON
                                     │    ▲       users ──┘
                        new_ratings ─┘    └── reload

- `http_limits` and `guards` refuse requests that are too slow, too large, too many or unauthorised.
  `connections` bounds connections, `clients` tells clients apart, and `tokens` knows who may do what.
- `access_log` counts, times and logs each request.
- `app` puts the `routes` together, `request_schemas` and `schemas` have the bodies of requests and responses, `openapi`
  describes them, `errors` and `problem_types` have the problem details.
- `service` answers each route with the newest engine and the ratings recorded since training (`new_ratings`);
  `list_service` does so for lists, by `list_options`.
- `batching` puts lists that are requested at the same time into one batch.
- `engine` holds the model in memory and makes the lists, from what `users` have rated, encoded by `user_encoder`.
- `catalogue` and `title_search` describe and find movies.
- `reload` replaces the engine when the workdir holds a newer run; `metrics` counts.
- `server` is the process, and `shutdown` its end; `workdir_lock` keeps a second server from a workdir.
"""
