const pieces = [
  [0x41],
  [0x00],
  [0xc3, 0xa9],
  [0xe2, 0x82, 0xac],
  [0xf0, 0x9f, 0x98, 0x80],
  [0xef, 0xbb, 0xbf],
  [0x80],
  [0xbf],
  [0xc0, 0x80],
  [0xc1],
  [0xc3],
  [0xe0, 0x80],
  [0xe0, 0xa0],
  [0xe2, 0x82],
  [0xed, 0xa0, 0x80],
  [0xed, 0x9f, 0xbf],
  [0xf0, 0x80],
  [0xf0, 0x9f],
  [0xf0, 0x9f, 0x98],
  [0xf4, 0x90, 0x80, 0x80],
  [0xf4, 0x8f, 0xbf, 0xbf],
  [0xf5],
  [0xff],
];
const units = [0x41, 0, 0x7f, 0x80, 0xff, 0x100, 0x7ff, 0x800, 0xd800, 0xdbff, 0xdc00, 0xdfff, 0xe000, 0xfeff, 0xffff];

/** What JSON would write of lone surrogates is the same; of the units there is no doubt. */
const unitsOf = (string) =>
  Array.from({ length: string.length }, (_, index) => string.charCodeAt(index).toString(16)).join(" ");

export async function text({ show, tryTo, makeRandom }) {
  const random = makeRandom(2);
  const bytes = () => Uint8Array.from(Array.from({ length: random(8) }, () => pieces[random(pieces.length)]).flat());
  for (let round = 0; round < 3000; round++) {
    const input = bytes();
    show("decode", input, unitsOf(new TextDecoder().decode(input)));
    tryTo("fatal", () => unitsOf(new TextDecoder("utf-8", { fatal: true }).decode(input)));
    tryTo("with mark", () => unitsOf(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(input)));
    show("buffer", unitsOf(Buffer.from(input).toString()), unitsOf(Buffer.from(input).toString("latin1")));
    streamOf(input, show, tryTo);
  }
  for (let round = 0; round < 3000; round++) {
    const string = String.fromCharCode(...Array.from({ length: random(8) }, () => units[random(units.length)]));
    const into = new Uint8Array(random(16)).fill(0x2e);
    show("encode", unitsOf(string), new TextEncoder().encode(string), Buffer.byteLength(string), Buffer.from(string));
    show("encode into", new TextEncoder().encodeInto(string, into), into);
  }
  show("nothing", new TextEncoder().encode(), new TextDecoder().decode());
}

/** In pieces of two bytes, of which sequences are cut. */
function streamOf(input, show, tryTo) {
  for (const fatal of [false, true]) {
    const decoder = new TextDecoder("utf-8", { fatal });
    const seen = [];
    tryTo("stream", () => {
      for (let at = 0; at < input.length; at += 2)
        seen.push(unitsOf(decoder.decode(input.subarray(at, at + 2), { stream: true })));
      seen.push(unitsOf(decoder.decode()));
    });
    show("seen", seen);
  }
}
