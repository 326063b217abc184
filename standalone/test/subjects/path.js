import { basename, delimiter, dirname, isAbsolute, join, normalize, posix, relative, resolve } from "node:path";

const parts = [
  "",
  "/",
  "//",
  "///",
  ".",
  "..",
  "...",
  "a",
  "b",
  ".a",
  "a.b",
  "/a",
  "a/",
  "../",
  "./",
  "..a",
  "a..",
  "é",
  " ",
];

export async function path({ show, makeRandom }) {
  const random = makeRandom(1);
  const make = () => {
    let made = "";
    for (let count = random(6); count >= 0; count--) made += parts[random(parts.length)] + (random(2) ? "/" : "");
    return made;
  };
  show("delimiter", delimiter);
  for (let round = 0; round < 3000; round++) {
    const [one, two, three] = [make(), make(), make()];
    show("of one", one, normalize(one), dirname(one), basename(one), isAbsolute(one), resolve(one));
    show("of three", one, two, three, join(one, two, three), resolve(one, two, three), relative(one, two));
  }
  show("of none", join(), resolve(), join(""), normalize(""), relative("", ""), dirname(""), basename(""));
  show("posix", posix.join("a", "../b"), posix.dirname("/a/b"), posix.basename("/a/b"), posix.relative("/a", "/b"));
}
