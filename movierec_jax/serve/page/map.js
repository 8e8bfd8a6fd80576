/** The map of films on a canvas, controlled by mouse, touch and keyboard. */

import { request } from "./api.js";
import { byId, el, openFilm, say } from "./dom.js";
import { FAMILIES, familyOf, keyOf, sortedGenres, titleAndYear, titleOf } from "./films.js";
import { showFamilies, showMarks } from "./legend.js";
import { attempt } from "./notices.js";
import { disc, label, overlap, ring, star } from "./shapes.js";

const NUM_FILMS = 1000;
const MARGIN = 28;
const MAX_ZOOM = 40;
const ZOOM_STEP = 1.5;
const FILM_ZOOM = 5;
const MIN_DRAG_PX = 5;
const MAX_DISTANCE_PX = { mouse: 12, touch: 24, pen: 16 };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class FilmMap {
  /** marks: returns the films to mark, `{ name, rated, listed }`: the name of the user, and keys of films. */
  constructor(marks) {
    this.marks = marks;
    this.canvas = byId("canvas");
    this.context = this.canvas.getContext("2d");
    this.films = null;
    this.view = { zoom: 1, x: 0, y: 0 };
    this.current = null;
    this.family = null;
    this.pointers = new Map();
    new ResizeObserver(() => this.resize()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    this.listen();
  }

  async show() {
    if (this.films) return this.draw();
    await attempt(
      "map",
      async () => {
        const { movies } = await request("v1/map", { query: { k: NUM_FILMS } });
        const maxRatings = Math.max(1, ...movies.map(({ num_ratings }) => num_ratings));
        this.films = movies
          .map((movie) => {
            const [genre = ""] = sortedGenres(movie);
            const size = Math.sqrt(movie.num_ratings / maxRatings);
            return { movie, genre, family: familyOf(genre), key: keyOf(movie), size };
          })
          .sort((one, other) => other.size - one.size);
        byId("map-titles").replaceChildren(...this.films.map(({ movie }) => el("option", { value: titleAndYear(movie) })));
        this.showLegend();
        this.draw();
      },
      () => this.show(),
    );
  }

  /** Moves to a film and highlights it, if it is on the map. */
  async find(movie) {
    await this.show();
    const film = this.films?.find(({ key }) => key === keyOf(movie));
    this.canvas.focus({ preventScroll: true });
    this.tell(film ? "" : `${titleAndYear(movie)} is not on the map: it has too few ratings.`);
    if (!film) return;
    const { x, y } = this.mapPosition(film);
    const zoom = Math.max(this.view.zoom, FILM_ZOOM);
    this.view = { zoom, x: this.width / 2 - x * zoom, y: this.height / 2 - y * zoom };
    this.highlight(film);
  }

  /** Finds the film of a title, typos forgiven. */
  async search(text) {
    const named = this.films?.find(({ movie }) => titleAndYear(movie).toLowerCase() === text.toLowerCase());
    if (named) return this.find(named.movie);
    await attempt("map", async () => {
      const { movies } = await request("v1/movies", { query: { query: text } });
      if (movies.length) await this.find(movies[0]);
      else this.tell(`No results for “${text}”.`);
    });
  }

  /** Shows a message below the search, and announces it. */
  tell(text) {
    byId("map-found").hidden = !text;
    byId("map-found").textContent = text;
    if (text) say(text);
  }

  // Positions: on the whole map, and in the current view.

  mapPosition({ movie }) {
    return { x: MARGIN + movie.x * (this.width - 2 * MARGIN), y: MARGIN + movie.y * (this.height - 2 * MARGIN) };
  }

  position(film) {
    const { x, y } = this.mapPosition(film);
    return { x: x * this.view.zoom + this.view.x, y: y * this.view.zoom + this.view.y };
  }

  radius(film) {
    const scale = Math.min(1, Math.max(0.65, this.width / 900));
    return scale * (2.2 + 5.5 * film.size) * Math.min(3, this.view.zoom ** 0.4);
  }

  isVisible({ x, y }, margin = 0) {
    return x >= margin && y >= margin && x <= this.width - margin && y <= this.height - margin;
  }

  resize() {
    const { width, height } = this.canvas.getBoundingClientRect();
    if (!width) return;
    if (this.width) {
      this.view.x *= width / this.width;
      this.view.y *= height / this.height;
    }
    [this.width, this.height] = [width, height];
    this.ratio = devicePixelRatio || 1;
    this.canvas.width = Math.round(width * this.ratio);
    this.canvas.height = Math.round(height * this.ratio);
    this.draw();
  }

  zoom(by, x = this.width / 2, y = this.height / 2) {
    const zoom = Math.min(MAX_ZOOM, Math.max(1, this.view.zoom * by));
    const ratio = zoom / this.view.zoom;
    this.view = { zoom, x: x - (x - this.view.x) * ratio, y: y - (y - this.view.y) * ratio };
    this.clamp();
  }

  pan(x, y) {
    this.view.x += x;
    this.view.y += y;
    this.clamp();
  }

  /** Keeps the map within its frame. */
  clamp() {
    const overflow = this.view.zoom - 1;
    this.view.x = Math.min(0, Math.max(-overflow * this.width, this.view.x));
    this.view.y = Math.min(0, Math.max(-overflow * this.height, this.view.y));
    this.draw();
  }

  showAll() {
    this.view = { zoom: 1, x: 0, y: 0 };
    this.draw();
  }

  // The current film.

  nearest(x, y, maxDistance) {
    let best = null;
    let least = maxDistance;
    for (const film of this.films ?? []) {
      const position = this.position(film);
      const distance = Math.hypot(position.x - x, position.y - y) - this.radius(film) / 2;
      if (distance < least) [best, least] = [film, distance];
    }
    return best;
  }

  highlight(film, isAnnounced = true) {
    if (film === this.current) return this.draw();
    this.current = film;
    this.draw();
    if (film && isAnnounced) say(this.description(film));
  }

  description({ movie, genre, key }) {
    const { rated, listed } = this.marks();
    const marks = [rated.has(key) ? "rated" : null, listed.has(key) ? "recommended" : null];
    return [titleAndYear(movie), genre, ...marks].filter(Boolean).join(", ");
  }

  step([right, down]) {
    const from = this.current ?? this.nearest(this.width / 2, this.height / 2, Infinity);
    if (!from || !this.current) return this.highlight(from);
    const here = this.position(from);
    let best = null;
    let least = Infinity;
    for (const film of this.films) {
      const position = this.position(film);
      const [x, y] = [position.x - here.x, position.y - here.y];
      const ahead = x * right + y * down;
      const aside = Math.abs(x * down) + Math.abs(y * right);
      if (film === from || ahead <= 0.5 || aside > 1.2 * ahead || ahead + 2 * aside >= least) continue;
      [best, least] = [film, ahead + 2 * aside];
    }
    if (!best) return;
    const position = this.position(best);
    if (!this.isVisible(position, MARGIN)) this.pan(this.width / 2 - position.x, this.height / 2 - position.y);
    this.highlight(best);
  }

  open(film) {
    openFilm(this.canvas, film.movie);
  }

  // Events.

  listen() {
    const { canvas } = this;
    canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.06 : 0.002)), event.offsetX, event.offsetY);
      },
      { passive: false },
    );
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      if (!this.pointers.size) this.moved = 0;
      this.pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    });
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => {
      const isClick = this.pointers.size === 1 && this.moved < MIN_DRAG_PX;
      this.pointers.delete(event.pointerId);
      const film = isClick && this.nearest(event.offsetX, event.offsetY, MAX_DISTANCE_PX[event.pointerType] ?? MAX_DISTANCE_PX.mouse);
      if (!film) return;
      this.highlight(film, false);
      this.open(film);
    });
    canvas.addEventListener("pointercancel", (event) => this.pointers.delete(event.pointerId));
    canvas.addEventListener("pointerleave", () => document.activeElement !== canvas && this.highlight(null));
    canvas.addEventListener("keydown", (event) => this.press(event));
    canvas.addEventListener("focus", () => canvas.matches(":focus-visible") && !this.current && this.step([0, 0]));
    canvas.addEventListener("blur", () => !byId("details").open && this.highlight(null));
    byId("map-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const text = byId("map-search").value.trim();
      if (text) this.search(text);
    });
    byId("zoom-in").addEventListener("click", () => this.zoom(ZOOM_STEP));
    byId("zoom-out").addEventListener("click", () => this.zoom(1 / ZOOM_STEP));
    byId("zoom-all").addEventListener("click", () => this.showAll());
  }

  move(event) {
    const here = { x: event.offsetX, y: event.offsetY };
    const last = this.pointers.get(event.pointerId);
    if (!last) {
      this.highlight(this.nearest(here.x, here.y, MAX_DISTANCE_PX.mouse), false);
      return;
    }
    this.pointers.set(event.pointerId, here);
    this.moved += Math.hypot(here.x - last.x, here.y - last.y);
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
    if (!others.length) {
      if (this.moved >= MIN_DRAG_PX) this.pan(here.x - last.x, here.y - last.y);
      return;
    }
    const [other] = others;
    const apart = (point) => Math.max(1, Math.hypot(point.x - other.x, point.y - other.y));
    this.pan((here.x - last.x) / 2, (here.y - last.y) / 2);
    this.zoom(apart(here) / apart(last), (here.x + other.x) / 2, (here.y + other.y) / 2);
  }

  press(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const arrow = ARROWS[event.key];
    if (arrow && event.shiftKey) this.pan(-arrow[0] * this.width * 0.2, -arrow[1] * this.height * 0.2);
    else if (arrow) this.step(arrow);
    else if (event.key === "+" || event.key === "=") this.zoomAtFilm(ZOOM_STEP);
    else if (event.key === "-") this.zoomAtFilm(1 / ZOOM_STEP);
    else if (event.key === "0") this.showAll();
    else if ((event.key === "Enter" || event.key === " ") && this.current) this.open(this.current);
    else return;
    event.preventDefault();
  }

  zoomAtFilm(by) {
    const { x, y } = this.current ? this.position(this.current) : { x: this.width / 2, y: this.height / 2 };
    this.zoom(by, x, y);
  }

  // Drawing.

  isShown(film) {
    return this.family === null || this.family === film.family;
  }

  draw() {
    if (this.isScheduled || !this.films || !this.width) return;
    this.isScheduled = true;
    requestAnimationFrame(() => {
      this.isScheduled = false;
      this.paint();
    });
  }

  paint() {
    const { context } = this;
    const style = getComputedStyle(this.canvas);
    const property = (name) => style.getPropertyValue(name).trim();
    const [tone, step] = [Number(property("--tone")), Number(property("--tone-step"))];
    const colours = {
      text: property("--text"),
      ground: property("--raised"),
      gold: property("--gold"),
      strong: property("--accent"),
    };
    const { rated, listed } = this.marks();
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    const visible = this.films.map((film) => ({ film, ...this.position(film) })).filter((position) => this.isVisible(position, -20));
    for (const { film, x, y } of visible) {
      const [hue, chroma, shade] = FAMILIES.get(film.family);
      context.globalAlpha = this.isShown(film) ? 0.82 : 0.1;
      context.fillStyle = `oklch(${tone + step * shade} ${chroma} ${hue})`;
      disc(context, x, y, this.radius(film));
      context.fill();
    }
    context.globalAlpha = 1;
    const marked = visible.filter(({ film }) => listed.has(film.key) || rated.has(film.key));
    for (const { film, x, y } of marked) {
      if (rated.has(film.key)) {
        star(context, x, y, this.radius(film) + 5);
        context.fillStyle = colours.gold;
        context.strokeStyle = colours.ground;
        context.lineWidth = 1.5;
        context.fill();
        context.stroke();
      } else ring(context, x, y, this.radius(film) + 3, colours.strong, colours.ground);
    }
    this.label(visible, marked, colours);
    this.tip(colours);
  }

  /** Draws the titles that fit: of marked films first, then of those with most ratings. */
  label(visible, marked, colours) {
    const { context } = this;
    const maxTitles = Math.min(60, (this.width / 70) * Math.sqrt(this.view.zoom));
    const taken = [];
    const { offsetLeft, offsetTop, offsetWidth, offsetHeight } = document.querySelector(".map-tools");
    const tools = {
      left: offsetLeft,
      right: offsetLeft + offsetWidth,
      top: offsetTop,
      bottom: offsetTop + offsetHeight,
    };
    context.font = `500 12px ${getComputedStyle(this.canvas).fontFamily}`;
    context.textBaseline = "middle";
    context.lineJoin = "round";
    for (const { film, x, y } of [...marked, ...visible]) {
      if (taken.length >= maxTitles) break;
      if (
        film === this.current ||
        !this.isShown(film) ||
        taken.some((box) => box.film === film)
      )
        continue;
      const title = label(titleOf(film.movie), film.movie.year);
      const width = context.measureText(title).width;
      const gap = this.radius(film) + 6;
      const left = x + gap + width < this.width - 4 ? x + gap : x - gap - width;
      const box = { film, left: left - 4, right: left + width + 4, top: y - 9, bottom: y + 9 };
      if (box.left < 0 || box.top < 0 || box.bottom > this.height) continue;
      if ([tools, ...taken].some((other) => overlap(box, other))) continue;
      taken.push(box);
      context.strokeStyle = colours.ground;
      context.lineWidth = 4;
      context.strokeText(title, left, y);
      context.fillStyle = colours.text;
      context.fillText(title, left, y);
    }
  }

  tip(colours) {
    const tip = byId("map-tip");
    const position = this.current && this.position(this.current);
    tip.hidden = !position || !this.isVisible(position);
    if (tip.hidden) return;
    ring(this.context, position.x, position.y, this.radius(this.current) + 5, colours.text, colours.ground);
    tip.textContent = this.description(this.current);
    const below = position.y < 60;
    const left = Math.min(this.width - tip.offsetWidth / 2 - 6, Math.max(tip.offsetWidth / 2 + 6, position.x));
    tip.style.left = `${left}px`;
    tip.style.top = `${position.y + (below ? 1 : -1) * (this.radius(this.current) + 12)}px`;
    tip.classList.toggle("is-below", below);
  }

  /** Shows the legend of the marks, and draws the map again. */
  showMarks() {
    showMarks(this.marks());
    this.draw();
  }

  showLegend() {
    const choose = (family) => {
      this.family = family;
      this.draw();
    };
    showFamilies(this.films, choose);
  }
}
