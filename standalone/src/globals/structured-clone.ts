/**
 * A copy of a value of JSON's kinds, or of primitives; what occurs twice in it occurs twice in the copy.
 *
 * @throws TypeError for anything else.
 */
export function structuredClone(value: unknown): unknown {
  return copy(value, new Map());
}

function copy(value: unknown, copies: Map<object, unknown>): unknown {
  if (typeof value === "function" || typeof value === "symbol")
    throw new TypeError(`${String(value)} cannot be cloned`);
  if (typeof value !== "object" || value === null) return value;
  const known = copies.get(value);
  if (known !== undefined) return known;
  if (Array.isArray(value)) {
    const list: unknown[] = [];
    copies.set(value, list);
    for (const item of value) list.push(copy(item, copies));
    return list;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw new TypeError(`${String(value)} cannot be cloned`);
  const object: Record<string, unknown> = {};
  copies.set(value, object);
  for (const [key, member] of Object.entries(value)) {
    // Assigning to this name would set the prototype.
    if (key !== "__proto__") object[key] = copy(member, copies);
    else {
      Object.defineProperty(object, key, {
        value: copy(member, copies),
        configurable: true,
        enumerable: true,
        writable: true,
      });
    }
  }
  return object;
}
