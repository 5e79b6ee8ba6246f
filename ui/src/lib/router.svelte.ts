/**
 * A hash router: `#/report/42?state=human` → a pattern of the route table, its parameters, its query.
 *
 * The hash keeps Back and Forward working in the window and needs no server that knows the paths.
 */
export interface Location {
  /** Decoded path segments, without empty ones. */
  segments: string[];
  query: URLSearchParams;
}

export interface Match<R> {
  route: R;
  params: Record<string, string>;
}

export function parseHash(hash: string): Location {
  const text = hash.replace(/^#/, "");
  const cut = text.indexOf("?");
  const path = cut < 0 ? text : text.slice(0, cut);
  return {
    segments: path.split("/").filter((part) => part !== "").map(decode),
    query: new URLSearchParams(cut < 0 ? "" : text.slice(cut + 1)),
  };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Finds the first route whose pattern (`/report/:id`) has the location's segments. */
export function matchRoute<R extends { pattern: string }>(routes: readonly R[], location: Location): Match<R> | null {
  for (const route of routes) {
    const wanted = route.pattern.split("/").filter((part) => part !== "");
    if (wanted.length !== location.segments.length) continue;
    const params: Record<string, string> = {};
    const fits = wanted.every((part, at) => {
      const given = location.segments[at] ?? "";
      if (!part.startsWith(":")) return part === given;
      params[part.slice(1)] = given;
      return true;
    });
    if (fits) return { route, params };
  }
  return null;
}

/** Writes a link: `href("report", 42)` → `#/report/42`. */
export function href(...parts: (string | number)[]): string {
  return `#/${parts.map((part) => encodeURIComponent(String(part))).join("/")}`;
}

let current = $state.raw<Location>(parseHash(window.location.hash));

window.addEventListener("hashchange", () => {
  current = parseHash(window.location.hash);
});

export const router = {
  get location(): Location {
    return current;
  },
  /** One value of the query, or the fallback. */
  param(name: string, fallback = ""): string {
    return current.query.get(name) ?? fallback;
  },
  go(to: string): void {
    window.location.hash = to.replace(/^#/, "");
  },
  /** Changes the query in place: Back does not walk through every filter that was tried. */
  setQuery(changes: Record<string, string | null>): void {
    const query = new URLSearchParams(current.query);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null || value === "") query.delete(name);
      else query.set(name, value);
    }
    const text = query.toString();
    const path = current.segments.map(encodeURIComponent).join("/");
    window.history.replaceState(null, "", `#/${path}${text === "" ? "" : `?${text}`}`);
    current = parseHash(window.location.hash);
  },
};
