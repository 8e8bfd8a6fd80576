/** The button that imports ratings from a file of another site. */

import { request } from "./api.js";
import { byId, el, say } from "./dom.js";
import { counted, titleAndYear } from "./films.js";
import { attempt } from "./notices.js";

export class Import {
  /** localUser: takes the ratings. onImport: called once they are there, with what was imported and what takes it back. */
  constructor(localUser, onImport) {
    this.localUser = localUser;
    this.onImport = onImport;
    byId("import").addEventListener("click", () => byId("import-file").click());
    byId("import-file").addEventListener("change", ({ target }) => this.read(target));
  }

  async read(input) {
    const [file] = input.files;
    // The same file may be chosen again.
    input.value = "";
    if (!file) return;
    byId("import").disabled = true;
    byId("import-result").hidden = true;
    await attempt("import", async () => {
      const query = { filename: file.name.slice(-256), k: 1 };
      const found = await request("v1/imports", { method: "POST", query, file });
      const takeBack = this.localUser.undo();
      this.localUser.importRatings(found);
      this.show(found);
      this.onImport(importedText(found), () => {
        byId("import-result").hidden = true;
        return takeBack();
      });
    });
    byId("import").disabled = false;
  }

  show({ summary, not_found: missing }) {
    const items = missing.map((movie) => {
      const why = movie.is_ambiguous ? ": several films have this title" : "";
      return el("li", {}, `${titleAndYear(movie)}${why}`);
    });
    const list = el(
      "details",
      {},
      el("summary", {}, `${counted(items.length, "film")} not found`),
      el("ul", {}, items),
    );
    // The list below names the films that the first sentence does.
    const [first, ...others] = summary;
    const sentences = [first.replace(/; not found: .*$/s, ""), ...others].map((text) => `${text[0].toUpperCase()}${text.slice(1)}.`);
    const lines = sentences.map((text) => el("p", { class: "hint" }, text));
    byId("import-result").replaceChildren(...lines, ...(items.length ? [list] : []));
    byId("import-result").hidden = false;
    say(sentences.join(" "));
  }
}

/** What a file brought, in words; empty for nothing. */
function importedText({ ratings, watched }) {
  const counts = [
    [ratings.length, "rating"],
    [watched.length, "watched film"],
  ].filter(([count]) => count);
  return counts.length ? `${counts.map(([count, noun]) => counted(count, noun)).join(" and ")} imported.` : "";
}
