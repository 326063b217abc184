export async function buffer({ show }) {
  const made = Buffer.from("héllo \u{1f600}");
  show("from text", made, made.length, made instanceof Uint8Array);
  show("from list", Buffer.from([1, 2, 256, -1]));
  const source = new Uint8Array([1, 2, 3]);
  const copy = Buffer.from(source);
  source[0] = 9;
  show("copies", copy, source);
  const memory = new ArrayBuffer(4);
  Buffer.from(memory)[1] = 7;
  show("shares", new Uint8Array(memory));
  show("alloc", Buffer.alloc(3), Buffer.allocUnsafe(3).length, Buffer.allocUnsafeSlow(4).length, Buffer.alloc(0));
  show("concat", Buffer.concat([made, source, Buffer.alloc(0)]), Buffer.concat([]));
  show("byteLength", Buffer.byteLength("é"), Buffer.byteLength(""));
  const pairs = [[], [1], [1, 2], [2], [1, 1], [255]].map((list) => Buffer.from(list));
  for (const a of pairs)
    for (const b of pairs) show("compare", Buffer.compare(a, b), a.equals(b), a.equals(new Uint8Array(b)));
  show("subarray", made.subarray(1, 3), made.subarray(1, 3).toString("latin1"), made.subarray(-4).toString());
  for (const [start, end] of [[0, 2], [1], [3, 1], [-1, 2], [0, 100], [100, 200]]) {
    show("toString", made.toString("utf8", start, end), made.toString("latin1", start, end));
  }
  show("string of", String(made), `${made}`, made.toString());
  show("indexOf", made.indexOf(0x6c), made.indexOf(0), Array.from(made.subarray(0, 3)));
  show("of", Buffer.of(1, 2), Buffer.from(memory, 1).length, Buffer.from(memory, 1, 2));
  const numbers = Buffer.from([1, 2, 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 9]).subarray(1);
  show("numbers", numbers.readUInt32LE(), numbers.readUInt32LE(2), numbers.readInt32LE(2), numbers.readBigUInt64LE(1));
  for (const offset of [-1, 6, 100]) {
    try {
      show("beyond", numbers.readUInt32LE(offset));
    } catch (error) {
      show("beyond", error instanceof RangeError);
    }
  }
  for (const text of ["", "a", "ab", "abc", "abcd", "\xff\xfe\0"]) show("btoa", btoa(text));
  show(
    "methods",
    made.slice(0, 2).length,
    made.fill(1).every((byte) => byte === 1),
  );
}
