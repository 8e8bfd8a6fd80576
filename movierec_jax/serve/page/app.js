/** The page: starts it, and goes from view to view by the part of the address after #. */

import { request } from "./api.js";
import { Desk } from "./desk.js";
import { Details } from "./details.js";
import { byId } from "./dom.js";
import { counted, keyOf } from "./films.js";
import { FilmMap } from "./map.js";
import { attempt, notice } from "./notices.js";
import { KnownUser, Visitor } from "./people.js";
import { Scale } from "./stars.js";

const YOUR_LEAD =
  "Give stars to a few films. What suits you is worked out at once, and nothing about you is kept on the server.";
const USER_LEAD =
  "Look up somebody from the ratings the model has learnt from; rate films as them, and see their list change.";

async function start() {
  const model = await request("v1/model");
  const visitor = new Visitor();
  const desk = new Desk(model, new Scale(model));
  const marks = () => ({
    name: desk.person?.name ?? "you",
    rated: new Set(desk.person?.ratings.keys()),
    listed: new Set(desk.list.map(keyOf)),
  });
  const map = new FilmMap(marks);
  desk.onChange = () => map.showMarks();
  new Details(desk, (movie) => {
    location.hash = "#/map";
    goTo(false).then(() => map.find(movie));
  });
  tellAbout(model);

  const first = model.first_user_id;
  let last = null;
  /** Shows the view that the address names; without a known one it stays. */
  async function goTo(isFocused = true) {
    if (location.hash === last) return;
    const [, view, id] = (location.hash || "#/").match(/^#\/(map|user)?(?:\/(.+))?$/) ?? [];
    last = location.hash;
    const isMap = view === "map";
    byId("map").hidden = !isMap;
    byId("desk").hidden = isMap;
    byId("user-form").hidden = view !== "user";
    for (const link of document.querySelectorAll("nav a[data-view]")) {
      if (link.dataset.view === (view ?? "you")) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    const userId = id && decodeURIComponent(id);
    if (!isMap) {
      const name = view !== "user" ? "Films for you" : userId ? `Films for user ${userId}` : "Films for a user";
      byId("desk-name").textContent = name;
      byId("desk-lead").textContent = view === "user" ? USER_LEAD : YOUR_LEAD;
    }
    const heading = byId(isMap ? "map-name" : "desk-name");
    document.title = `${heading.textContent} · movierec`;
    if (isFocused) {
      heading.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    if (isMap) {
      if (!desk.person) await desk.show(visitor);
      map.showMarks();
      await map.show();
    } else if (view === "user") {
      byId("user-id").value = userId ?? "";
      byId("first-user").hidden = first === null || first === undefined || userId === String(first);
      if (desk.person?.id !== userId || !userId) await desk.show(userId ? new KnownUser(userId) : null);
    } else await desk.show(visitor);
  }

  byId("user-form").addEventListener("submit", (event) => {
    event.preventDefault();
    location.hash = `#/user/${encodeURIComponent(byId("user-id").value.trim())}`;
  });
  byId("first-user").textContent = `Try user ${first}`;
  byId("first-user").addEventListener("click", () => (location.hash = `#/user/${encodeURIComponent(first)}`));
  for (const button of byId("jump").querySelectorAll("button")) {
    button.addEventListener("click", () => desk.jump(button.dataset.to));
  }
  // What another tab of this browser has rated counts here too.
  addEventListener("storage", () => {
    visitor.read();
    if (desk.person === visitor) {
      desk.follow();
      desk.refresh();
    }
  });
  addEventListener("online", () => desk.person && desk.refresh());
  addEventListener("hashchange", () => goTo());
  await goTo(false);
}

function tellAbout({ version, num_users: users, num_movies: movies, num_ratings: ratings, refused }) {
  const learnt = `${counted(ratings, "rating")} of ${counted(movies, "film")} by ${counted(users, "user")}`;
  byId("about").textContent = `The model has learnt from ${learnt}. Version ${version}.`;
  byId("refused").hidden = !refused;
  byId("refused").textContent = refused ? `A newer model was not taken: ${refused}` : "";
}

byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});
const begin = () => attempt("start", start, () => (notice("start"), begin()));
begin();
