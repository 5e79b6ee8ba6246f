import { cleanup, fireEvent, render, screen } from "@testing-library/svelte";
import { createRawSnippet } from "svelte";
import { afterEach, describe, expect, it, vi } from "vitest";
import DataGrid from "./DataGrid.svelte";

interface Row {
  id: number;
  name: string;
}

const rows: Row[] = [
  { id: 10, name: "Ana" },
  { id: 20, name: "Björn" },
  { id: 30, name: "Chiara" },
];

const cell = createRawSnippet((row: () => Row) => ({ render: () => `<span>${row().name}</span>` }));

function show(more: Record<string, unknown> = {}) {
  const onopen = vi.fn<(row: Row) => void>();
  const props = {
    label: "People",
    columns: [{ key: "name", header: "Name", width: "1fr", isSortable: true, cell }],
    total: rows.length,
    rowAt: (index: number) => rows[index],
    keyOf: (row: Row) => row.id,
    onopen,
    ...more,
  };
  // The component is generic; a test's render cannot name its row type.
  render(DataGrid as never, props as never);
  return { onopen, grid: screen.getByRole("grid", { name: "People" }) };
}

afterEach(cleanup);

describe("DataGrid", () => {
  it("tells its whole length, though only rows in sight exist", () => {
    const { grid } = show({ total: 200_000 });
    expect(grid.getAttribute("aria-rowcount")).toBe("200001");
    expect(grid.querySelectorAll(".body [role=row]").length).toBeLessThan(60);
  });

  it("moves by arrow keys and opens by Enter", async () => {
    const { grid, onopen } = show();
    await fireEvent.keyDown(grid, { key: "ArrowDown" });
    expect(onopen, "moving alone opens nothing").not.toHaveBeenCalled();
    await fireEvent.keyDown(grid, { key: "Enter" });
    expect(onopen).toHaveBeenLastCalledWith(rows[1]);
  });

  it("opens the next row by an arrow while one is open", async () => {
    const { grid, onopen } = show({ openKey: 10 });
    await fireEvent.keyDown(grid, { key: "ArrowDown" });
    expect(onopen).toHaveBeenLastCalledWith(rows[1]);
  });

  it("does not run past its ends", async () => {
    const { grid, onopen } = show();
    await fireEvent.keyDown(grid, { key: "ArrowUp" });
    await fireEvent.keyDown(grid, { key: "Enter" });
    expect(onopen).toHaveBeenLastCalledWith(rows[0]);
    await fireEvent.keyDown(grid, { key: "End" });
    await fireEvent.keyDown(grid, { key: "ArrowDown" });
    await fireEvent.keyDown(grid, { key: "Enter" });
    expect(onopen).toHaveBeenLastCalledWith(rows[2]);
  });

  it("asks for the other direction when a sorted column is chosen again", async () => {
    const onsort = vi.fn();
    show({ sort: { key: "name", direction: "ascending" }, onsort });
    await fireEvent.click(screen.getByRole("button", { name: "Name" }));
    expect(onsort).toHaveBeenCalledWith({ key: "name", direction: "descending" });
  });
});
