/** Short notices at the window's foot, some with an undo. */
export interface Toast {
  id: number;
  text: string;
  tone: "plain" | "good" | "danger";
  action?: { label: string; run: () => void | Promise<void> } | undefined;
}

const PLAIN_MS = 5_000;
/** WCAG 2.2.1: what can be acted on stays long enough to be reached by keyboard. */
const ACTION_MS = 20_000;

let shown = $state.raw<Toast[]>([]);
let nextId = 1;
const timers = new Map<number, ReturnType<typeof setTimeout>>();

function dismiss(id: number): void {
  clearTimeout(timers.get(id));
  timers.delete(id);
  shown = shown.filter((toast) => toast.id !== id);
}

function arm(toast: Toast): void {
  if (toast.tone === "danger") return;
  timers.set(toast.id, setTimeout(() => dismiss(toast.id), toast.action ? ACTION_MS : PLAIN_MS));
}

export const toasts = {
  get all(): Toast[] {
    return shown;
  },
  show(text: string, options: { tone?: Toast["tone"]; action?: Toast["action"] } = {}): number {
    const toast: Toast = { id: nextId++, text, tone: options.tone ?? "plain", action: options.action };
    shown = [...shown.slice(-2), toast];
    arm(toast);
    return toast.id;
  },
  dismiss,
  /** Holds every toast while the pointer or focus is on them. */
  hold(): void {
    for (const timer of timers.values()) clearTimeout(timer);
    timers.clear();
  },
  resume(): void {
    for (const toast of shown) if (!timers.has(toast.id)) arm(toast);
  },
};
