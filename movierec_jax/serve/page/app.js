/** Starts the page and shows the view named in the address after #. */

import { addressedView, viewHash } from "./address.js";
import { request } from "./api.js";
import { Details } from "./details.js";
import { byId } from "./dom.js";
import { counted, keyOf, usePosters } from "./films.js";
import { Import } from "./import.js";
import { FilmMap } from "./map.js";
import { attempt, notice } from "./notices.js";
import { Scale } from "./stars.js";
import { LocalUser, ServerUser } from "./users.js";
import { UserView } from "./user_view.js";

const LOCAL_LEAD =
  "Rate a few films, or import your ratings. Recommendations update instantly, and nothing about you is stored on the server.";
const HEADINGS = { map: "map-name", watchlist: "watchlist-name", user: "user-name" };
const USER_LEAD = "Look up a user of the server's data. Rate films as them and see their recommendations change.";

async function start() {
  const model = await request("v1/model");
  usePosters(model.has_posters);
  byId("tmdb").hidden = !model.has_posters;
  const localUser = new LocalUser(model.limits.ratings);
  const userView = new UserView(model, new Scale(model));
  const marks = () => ({
    name: userView.user?.name ?? "you",
    rated: new Set(userView.user?.ratings.keys()),
    listed: new Set(userView.list.map(keyOf)),
  });
  const map = new FilmMap(marks);
  userView.onChange = () => map.showMarks();
  const details = new Details(userView, (movie) => {
    // The map takes the place of the dialog in the history.
    if (viewHash() !== "#/map") history.replaceState(null, "", "#/map");
    navigate(false).then(() => map.find(movie));
  });
  new Import(localUser, (text, takeBack) => {
    if (text) userView.offerUndo(text, localUser, takeBack);
    userView.showRatings();
    userView.search();
    userView.refresh();
  });
  showModel(model);

  const firstUser = model.first_user_id;
  let currentHash = null;
  /** Shows the view in the address; an unknown address shows the local user. */
  async function navigate(movesFocus = true) {
    if (viewHash() === currentHash) return;
    const { view, userId } = addressedView();
    currentHash = viewHash();
    showView(view, userId);
    if (movesFocus) {
      byId(HEADINGS[view] ?? HEADINGS.user).focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    if (view === "map" || view === "watchlist") {
      if (!userView.user) await userView.show(localUser);
      if (view === "watchlist") return userView.watchlist.show();
      map.showMarks();
      await map.show();
    } else if (view === "user") {
      byId("user-id").value = userId ?? "";
      byId("first-user").hidden = firstUser === null || firstUser === undefined || userId === String(firstUser);
      if (userView.user?.id !== userId || !userId) await userView.show(userId ? new ServerUser(userId) : null);
    } else await userView.show(localUser);
  }

  byId("user-form").addEventListener("submit", (event) => {
    event.preventDefault();
    location.hash = `#/user/${encodeURIComponent(byId("user-id").value.trim() || byId("user-id").value)}`;
  });
  byId("first-user").textContent = `Try user ${firstUser}`;
  byId("first-user").addEventListener("click", () => (location.hash = `#/user/${encodeURIComponent(firstUser)}`));
  for (const button of byId("jump").querySelectorAll("button")) {
    button.addEventListener("click", () => userView.jump(button.dataset.to));
  }
  // Ratings given in another tab of this browser.
  addEventListener("storage", () => {
    localUser.read();
    userView.watchlist.read();
    userView.watchlist.show();
    if (userView.user === localUser) {
      userView.showRatings();
      userView.refresh();
    }
  });
  addEventListener("online", () => userView.user && userView.refresh());
  addEventListener("hashchange", () => navigate().then(() => details.follow()));
  await navigate(false);
  await details.follow();
}

/** Shows the elements and headings of a view: "map", "watchlist", "user", or undefined for the local user. */
function showView(view, userId) {
  const isUser = view === "user" || !view;
  byId("map").hidden = view !== "map";
  byId("watchlist").hidden = view !== "watchlist";
  byId("user").hidden = !isUser;
  byId("user-form").hidden = view !== "user";
  for (const link of document.querySelectorAll("nav a[data-view]")) {
    if (link.dataset.view === (view ?? "you")) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (isUser) {
    const name = view !== "user" ? "Films for you" : userId ? `Films for user ${userId}` : "Films for a user";
    byId("user-name").textContent = name;
    byId("user-lead").textContent = view === "user" ? USER_LEAD : LOCAL_LEAD;
  }
  document.title = `${byId(HEADINGS[view] ?? HEADINGS.user).textContent} · movierec`;
}

function showModel({ version, num_users: users, num_movies: movies, num_ratings: ratings, refused }) {
  const data = `${counted(ratings, "rating")} of ${counted(movies, "film")} by ${counted(users, "user")}`;
  byId("about").textContent = `Trained on ${data}. Version ${version}.`;
  byId("refused").hidden = !refused;
  byId("refused").textContent = refused ? `A newer model could not be loaded: ${refused}` : "";
}

byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});
const begin = () => attempt("start", start, () => (notice("start"), begin()));
begin();
