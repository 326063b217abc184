export async function timer({ show }) {
  const seen = [];
  const note = (what) => () => seen.push(what);
  const [long, cleared] = [setTimeout(note("unref"), 60_000), setTimeout(note("cleared"), 5)];
  long.unref();
  clearTimeout(cleared);
  clearTimeout(undefined);
  clearTimeout(null);
  clearTimeout(cleared);
  setTimeout(note("30"), 30);
  setTimeout((...args) => seen.push(args), 15, "with", "arguments");
  setTimeout(note("1"), 1);
  setTimeout(note("0"), 0);
  setTimeout(note("nothing"));
  setTimeout(note("negative"), -5);
  const job = Promise.resolve().then(note("job"));
  const again = setTimeout(note("ref"), 40);
  again.unref();
  again.ref();
  seen.push("first");
  await job;
  await new Promise((resolve) => setTimeout(resolve, 80));
  show("order", seen);
  const failed = await Promise.race([
    Promise.reject(new Error("lost")).catch((error) => error.message),
    new Promise(() => {}),
  ]);
  show("race", failed, await Promise.allSettled([1, Promise.reject(2)]));
  const before = Date.now();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
  show("waits", Date.now() - before >= 19);
  const generated = [];
  for await (const item of generate()) generated.push(item);
  show("generated", generated);
}

async function* generate() {
  for (let count = 0; count < 3; count++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    yield count;
  }
}
