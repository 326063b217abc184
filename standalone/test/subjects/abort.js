export async function abort({ show, tryTo }) {
  const controller = new AbortController();
  const { signal } = controller;
  const seen = [];
  const often = () => seen.push("often");
  signal.addEventListener("abort", often);
  signal.addEventListener("abort", often);
  signal.addEventListener("abort", () => seen.push("once"), { once: true });
  const removed = () => seen.push("removed");
  signal.addEventListener("abort", removed);
  signal.removeEventListener("abort", removed);
  const late = () => seen.push("late");
  signal.addEventListener("abort", () => signal.removeEventListener("abort", late));
  signal.addEventListener("abort", late);
  show("before", signal.aborted, signal.reason);
  tryTo("not aborted", () => signal.throwIfAborted());
  const reason = new Error("because");
  controller.abort(reason);
  controller.abort(new Error("again"));
  show("after", seen, signal.aborted, signal.reason === reason);
  tryTo("aborted", () => signal.throwIfAborted());
  signal.addEventListener("abort", () => seen.push("too late"));
  show("too late", seen);
  const plain = new AbortController();
  plain.abort();
  show("default", plain.signal.reason.name, plain.signal.reason.message);
  show("abort", AbortSignal.abort(5).reason, AbortSignal.abort().reason.name);
  const timeout = AbortSignal.timeout(20);
  await new Promise((resolve) => {
    const guard = setTimeout(() => {}, 10_000);
    timeout.addEventListener("abort", () => {
      clearTimeout(guard);
      resolve();
    });
  });
  show("timeout", timeout.aborted, timeout.reason.name, timeout.reason.message);
}
