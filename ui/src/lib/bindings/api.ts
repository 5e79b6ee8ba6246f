// Written by the core's own generator; edit the Rust types instead.
export type Commands = Record<string, [unknown, unknown]>;
export type Event = { changed: { tags: string[] } };
