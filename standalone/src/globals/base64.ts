const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** The Base64 of bytes that a string's characters stand for. @throws Error when one is no byte. */
export function btoa(text: string): string {
  let base64 = "";
  for (let at = 0; at < text.length; at += 3) {
    const [first = 0, second = 0, third = 0] = [0, 1, 2].map((index) => byteAt(text, at + index));
    const bits = (first << 16) | (second << 8) | third;
    for (let digit = 0; digit < 4; digit++) {
      base64 += at + digit <= text.length ? digits.charAt((bits >> (18 - 6 * digit)) & 63) : "=";
    }
  }
  return base64;
}

/** 0 behind the end. */
function byteAt(text: string, index: number): number {
  const code = index < text.length ? text.charCodeAt(index) : 0;
  if (code > 0xff) throw new Error("btoa: a character is no byte");
  return code;
}
