import fc from "fast-check";
import { expect, test } from "vitest";
import { mountOptionNames, parseMountOptions } from "./mount-options.ts";

const option = fc.oneof(fc.constantFrom(...mountOptionNames), fc.stringMatching(/^[a-z]{1,6}(=[a-z=]{0,6})?$/));
const options = fc.array(option, { maxLength: 12 });

test("nothing is lost: what has no meaning of its own reaches the file system, in order", () => {
  fc.assert(
    fc.property(options, (given) => {
      const { data } = parseMountOptions(given);
      const words = data.map(({ key, value }) => (value === null ? key : `${key}=${value}`));
      expect(words).toEqual(given.filter((word) => !mountOptionNames.includes(word)));
    }),
  );
});

test("no attribute is both set and cleared", () => {
  fc.assert(
    fc.property(options, (given) => {
      const { attributes, recursiveAttributes } = parseMountOptions(given);
      for (const { set, clear } of [attributes, recursiveAttributes]) {
        expect(set.filter((attribute) => clear.includes(attribute))).toEqual([]);
      }
    }),
  );
});

test("an option said twice is said once", () => {
  fc.assert(
    fc.property(
      options,
      fc.constantFrom(...mountOptionNames.filter((name) => !/(shared|slave|private|bindable)$/.test(name))),
      (given, word) => {
        expect(parseMountOptions([...given, word, word])).toEqual(parseMountOptions([...given, word]));
      },
    ),
  );
});
