/**
 * Writes JSON as `JSON.stringify` does, and `bigint` as the whole number that it is.
 *
 * @param value - plain data.
 * @param indent - what each level is indented by; none writes it all on one line.
 * @throws {TypeError} for a cycle or for what JSON has no words for at the top (undefined, a function, a symbol).
 */
export function stringifyJson(value: unknown, indent = ""): string {
  const write = (value: unknown, margin: string, open: readonly object[]): string | undefined => {
    if (typeof value === "bigint") return value.toString();
    if (typeof value !== "object" || value === null) return JSON.stringify(value);
    if (open.includes(value)) throw new TypeError("a cycle cannot be written as JSON");
    const inner = margin + indent;
    const isArray = Array.isArray(value);
    const parts = isArray
      ? value.map((element) => write(element, inner, [...open, value]) ?? "null")
      : Object.entries(value).flatMap(([key, member]) => {
          const text = write(member, inner, [...open, value]);
          return text === undefined ? [] : [`${JSON.stringify(key)}:${indent === "" ? "" : " "}${text}`];
        });
    const [opening, closing] = isArray ? ["[", "]"] : ["{", "}"];
    if (parts.length === 0) return `${opening}${closing}`;
    if (indent === "") return `${opening}${parts.join(",")}${closing}`;
    return `${opening}\n${inner}${parts.join(`,\n${inner}`)}\n${margin}${closing}`;
  };
  const text = write(value, "", []);
  if (text === undefined) throw new TypeError(`a ${typeof value} cannot be written as JSON`);
  return text;
}
