import { describeFound, hintFor, octalHint } from "./json-hints.ts";
import { joinPointer } from "./json-pointer.ts";

/** What is wrong with a text that is not JSON. */
export interface JsonSyntaxProblem {
  /** UTF-16 code units before the place. */
  readonly offset: number;
  /** What was expected and what was found: `expected "," or "}", found "]"`. */
  readonly message: string;
  /** What is likely meant. */
  readonly hint?: string;
}

/** A member whose name an earlier member of the same object has. */
export interface DuplicateKey {
  /** JSON Pointer of the member. */
  readonly pointer: string;
  /** UTF-16 code units before the later name. */
  readonly offset: number;
}

/** What {@link parseJson} makes of a text. */
export type ParsedJson =
  | { readonly value: unknown; readonly duplicates: readonly DuplicateKey[]; readonly problem?: undefined }
  | { readonly problem: JsonSyntaxProblem };

/** Levels of arrays and objects that a text may have. */
export const maximumDepth = 256;

/**
 * Parses JSON (RFC 8259) as `JSON.parse` does, except that
 *
 * - a whole number that a `number` cannot hold exactly becomes a `bigint`;
 * - members that are `null` are left out, which is how runtimes written in Go read them;
 * - a leading byte order mark is skipped;
 * - nesting beyond {@link maximumDepth} is refused.
 *
 * As with `JSON.parse` the last of several members of one name counts, and `__proto__` is a name like any other.
 */
export function parseJson(text: string): ParsedJson {
  const parser = new JsonParser(text);
  try {
    const value = parser.parseDocument();
    return { value, duplicates: parser.duplicates };
  } catch (error) {
    if (error instanceof Unexpected) return { problem: error.problem };
    throw error;
  }
}

/** Unwinds the parser; never leaves this file. */
class Unexpected extends Error {
  readonly problem: JsonSyntaxProblem;
  constructor(problem: JsonSyntaxProblem) {
    super(problem.message);
    this.problem = problem;
  }
}

const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const PLUS = 0x2b;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const LEFT_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const RIGHT_BRACKET = 0x5d;
const LOWER_E = 0x65;
const LEFT_BRACE = 0x7b;
const RIGHT_BRACE = 0x7d;
const BYTE_ORDER_MARK = 0xfeff;

const escapes = new Map([
  ['"', '"'],
  ["\\", "\\"],
  ["/", "/"],
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
]);

const wholeNumber = /^-?\d+$/;

class JsonParser {
  readonly duplicates: DuplicateKey[] = [];
  readonly #text: string;
  #offset = 0;
  #depth = 0;
  /** Names and indices that lead to the value being parsed. */
  readonly #path: (string | number)[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  parseDocument(): unknown {
    if (this.#text.charCodeAt(0) === BYTE_ORDER_MARK) this.#offset = 1;
    this.#skipWhitespace();
    const value = this.#parseValue();
    this.#skipWhitespace();
    if (this.#offset < this.#text.length) this.#fail("the end of the text after the value");
    return value;
  }

  #skipWhitespace(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#offset);
      if (code !== SPACE && code !== LINE_FEED && code !== TAB && code !== CARRIAGE_RETURN) return;
      this.#offset++;
    }
  }

  #parseValue(): unknown {
    const code = this.#text.charCodeAt(this.#offset);
    if (code === QUOTE) return this.#parseString();
    if (code === LEFT_BRACE) return this.#parseObject();
    if (code === LEFT_BRACKET) return this.#parseArray();
    if (code === MINUS || (code >= ZERO && code <= NINE)) return this.#parseNumber();
    if (this.#takeWord("true")) return true;
    if (this.#takeWord("false")) return false;
    if (this.#takeWord("null")) return null;
    return this.#fail("a value");
  }

  #takeWord(word: string): boolean {
    if (!this.#text.startsWith(word, this.#offset)) return false;
    if (isWordCharacter(this.#text.charCodeAt(this.#offset + word.length))) return false;
    this.#offset += word.length;
    return true;
  }

  #parseObject(): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    let nulls: Set<string> | undefined;
    this.#descend();
    this.#offset++;
    this.#skipWhitespace();
    if (this.#takeClosing(RIGHT_BRACE)) return object;
    for (;;) {
      const keyOffset = this.#offset;
      if (this.#text.charCodeAt(keyOffset) !== QUOTE) this.#fail("a name in double quotes");
      const key = this.#parseString();
      this.#path.push(key);
      if (Object.hasOwn(object, key) || nulls?.has(key) === true) {
        this.duplicates.push({ pointer: joinPointer(this.#path), offset: keyOffset });
      }
      this.#skipWhitespace();
      if (this.#text.charCodeAt(this.#offset) !== COLON) this.#fail('":" after the name');
      this.#offset++;
      this.#skipWhitespace();
      const value = this.#parseValue();
      if (value === null) {
        nulls ??= new Set();
        nulls.add(key);
        delete object[key];
      } else if (key === "__proto__") {
        Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
      } else object[key] = value;
      this.#path.pop();
      this.#skipWhitespace();
      if (this.#takeClosing(RIGHT_BRACE)) return object;
      if (this.#text.charCodeAt(this.#offset) !== COMMA) this.#fail('"," or "}" after the member');
      this.#offset++;
      this.#skipWhitespace();
    }
  }

  #parseArray(): unknown[] {
    const array: unknown[] = [];
    this.#descend();
    this.#offset++;
    this.#skipWhitespace();
    if (this.#takeClosing(RIGHT_BRACKET)) return array;
    for (;;) {
      this.#path.push(array.length);
      array.push(this.#parseValue());
      this.#path.pop();
      this.#skipWhitespace();
      if (this.#takeClosing(RIGHT_BRACKET)) return array;
      if (this.#text.charCodeAt(this.#offset) !== COMMA) this.#fail('"," or "]" after the element');
      this.#offset++;
      this.#skipWhitespace();
    }
  }

  #descend(): void {
    if (++this.#depth <= maximumDepth) return;
    throw new Unexpected({ offset: this.#offset, message: `more than ${maximumDepth} levels of arrays and objects` });
  }

  #takeClosing(code: number): boolean {
    if (this.#text.charCodeAt(this.#offset) !== code) return false;
    this.#offset++;
    this.#depth--;
    return true;
  }

  #parseString(): string {
    const start = this.#offset;
    let result = "";
    let from = start + 1;
    for (let at = from; ; at++) {
      const code = this.#text.charCodeAt(at);
      if (code === QUOTE) {
        this.#offset = at + 1;
        return result + this.#text.slice(from, at);
      }
      if (code === BACKSLASH) {
        result += this.#text.slice(from, at) + this.#parseEscape(at);
        from = this.#offset;
        at = from - 1;
      } else if (!(code >= SPACE)) this.#failInString(start, at);
    }
  }

  /** @returns the character; `#offset` is then behind the escape. */
  #parseEscape(at: number): string {
    const letter = this.#text.charAt(at + 1);
    if (letter === "u") {
      const digits = this.#text.slice(at + 2, at + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) {
        throw new Unexpected({ offset: at, message: 'expected four hexadecimal digits after "\\u"' });
      }
      this.#offset = at + 6;
      return String.fromCharCode(Number.parseInt(digits, 16));
    }
    const character = escapes.get(letter);
    if (character === undefined) {
      throw new Unexpected({
        offset: at,
        message: 'expected one of " \\ / b f n r t u after a backslash',
        hint: "write a backslash itself as two",
      });
    }
    this.#offset = at + 2;
    return character;
  }

  #failInString(start: number, at: number): never {
    if (at >= this.#text.length) throw new Unexpected({ offset: start, message: "the string has no closing quote" });
    const code = this.#text.charCodeAt(at);
    if (code === LINE_FEED || code === CARRIAGE_RETURN) {
      throw new Unexpected({
        offset: start,
        message: "the string has no closing quote on its line",
        hint: 'close it, or write a line break in a string as "\\n"',
      });
    }
    const hexadecimal = code.toString(16).padStart(4, "0");
    throw new Unexpected({
      offset: at,
      message: `a control character in a string must be written as "\\u${hexadecimal}"`,
    });
  }

  #parseNumber(): number | bigint {
    const start = this.#offset;
    if (this.#text.charCodeAt(start) === MINUS) this.#offset++;
    const firstDigit = this.#offset;
    this.#takeDigits("a digit");
    if (this.#text.charCodeAt(firstDigit) === ZERO && this.#offset > firstDigit + 1) {
      throw new Unexpected({
        offset: start,
        message: "a number must not begin with a zero",
        hint: octalHint(this.#text.slice(firstDigit, this.#offset)),
      });
    }
    if (this.#text.charCodeAt(this.#offset) === DOT) {
      this.#offset++;
      this.#takeDigits('a digit after "."');
    }
    // Bit 5 is all that tells "E" from "e".
    if ((this.#text.charCodeAt(this.#offset) | 0x20) === LOWER_E) {
      this.#offset++;
      const sign = this.#text.charCodeAt(this.#offset);
      if (sign === PLUS || sign === MINUS) this.#offset++;
      this.#takeDigits("a digit of the exponent");
    }
    if (isWordCharacter(this.#text.charCodeAt(this.#offset))) this.#fail("the end of the number");
    const literal = this.#text.slice(start, this.#offset);
    const value = Number(literal);
    return Number.isSafeInteger(value) || !wholeNumber.test(literal) ? value : BigInt(literal);
  }

  #takeDigits(expected: string): void {
    const start = this.#offset;
    for (;;) {
      const code = this.#text.charCodeAt(this.#offset);
      if (!(code >= ZERO && code <= NINE)) break;
      this.#offset++;
    }
    if (this.#offset === start) this.#fail(expected);
  }

  #fail(expected: string): never {
    const found = describeFound(this.#text, this.#offset);
    const hint = hintFor(this.#text, { offset: this.#offset, isInside: this.#depth > 0 });
    throw new Unexpected({
      offset: this.#offset,
      message: `expected ${expected}, found ${found}`,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

/** Whether a character (its code, NaN at the end of a text) could continue a word or a number. */
function isWordCharacter(code: number): boolean {
  const letter = code | 0x20;
  return (letter >= 0x61 && letter <= 0x7a) || (code >= ZERO && code <= NINE) || code === 0x24 || code === 0x5f;
}
