import { isRunletError } from "@runlet/errors";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseGroup, parseUser } from "./user-option.ts";

const id = fc.integer({ min: 0, max: 0xffff_fffe });

test("every id is read as itself, and as no other (CVE-2026-30892)", () => {
  fc.assert(
    fc.property(id, id, (uid, gid) => {
      expect(parseUser(String(uid))).toEqual({ uid });
      expect(parseUser(`${uid}:${gid}`)).toEqual({ uid, gid });
      expect(parseGroup(String(gid))).toBe(gid);
    }),
  );
});

test("what is not digits alone is refused, whatever it is", () => {
  fc.assert(
    fc.property(
      fc.string().filter((text) => !/^[0-9]+(:[0-9]+)?$/.test(text)),
      (text) => {
        expect(() => parseUser(text)).toThrow(/is not the id of a/);
      },
    ),
  );
});

test("ids that the kernel would cut are refused (CVE-2016-3697)", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0xffff_ffffn, max: 1n << 80n }), (beyond) => {
      expect(() => parseUser(String(beyond))).toThrow(/is not the id of a user/);
      expect(() => parseUser(`0:${beyond}`)).toThrow(/is not the id of a group/);
    }),
  );
});

test.each(["", ":", "1:", ":1", "+1", "-1", "0x1", "1e3", " 1", "1 ", "1.0", "1:2:3", "root", "٣"])(
  "%j is refused",
  (text) => {
    try {
      parseUser(text);
    } catch (error) {
      expect(isRunletError(error) && error.code).toBe("ERR_RUNLET_USAGE");
      return;
    }
    throw new Error("it was taken");
  },
);
