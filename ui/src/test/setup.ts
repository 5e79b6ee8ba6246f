/** What jsdom lacks: nothing has a size there, so an observer of sizes has nothing to tell. */
class StillObserver implements ResizeObserver {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
}

globalThis.ResizeObserver ??= StillObserver;
Element.prototype.scrollBy ??= (): void => {};
