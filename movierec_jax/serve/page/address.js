/** What the address names after #: a view, perhaps its user, and the film whose details are open, as `#/user/7?film=318`. */

const parts = () => (location.hash || "#/").match(/^(.*?)(?:\?film=([^?]*))?$/s);

/** The address of the view alone. */
export const viewHash = () => parts()[1];

/** The view, "map", "watchlist", "user" or undefined for the local user, and the id of its user. */
export function addressedView() {
  const [, view, id] = viewHash().match(/^#\/(map|user|watchlist)?(?:\/(.+))?$/) ?? [];
  return { view, userId: id && decoded(id) };
}

/** The id of the film whose details are open, as text; undefined without one. */
export function addressedFilm() {
  const [, , id] = parts();
  return id && decoded(id);
}

/** The address of the view with the details of a film. */
export const hashWithFilm = (movie) => `${viewHash()}?film=${encodeURIComponent(movie.movie_id)}`;

/** Text of the address, as it is where it is not encoded well. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
