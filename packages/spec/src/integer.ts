/**
 * Whole number of 16 bits without a sign.
 *
 * @asType integer
 * @minimum 0
 * @maximum 65535
 */
export type Uint16 = number;

/**
 * Whole number of 32 bits without a sign.
 *
 * @asType integer
 * @minimum 0
 * @maximum 4294967295
 */
export type Uint32 = number;

/**
 * Whole number of 32 bits with a sign.
 *
 * @asType integer
 * @minimum -2147483648
 * @maximum 2147483647
 */
export type Int32 = number;

/**
 * Whole number of 64 bits without a sign: a `number` as long as that is exact (at most 2^53 - 1), a `bigint` beyond. `BigInt(value)`
 * is right for both.
 *
 * @asType integer
 * @minimum 0
 * @maximum 18446744073709551615
 */
export type Uint64 = number | bigint;

/**
 * Whole number of 64 bits with a sign: a `number` as long as that is exact (at most 2^53 - 1 in size), a `bigint` beyond.
 * `BigInt(value)` is right for both.
 *
 * @asType integer
 * @minimum -9223372036854775808
 * @maximum 9223372036854775807
 */
export type Int64 = number | bigint;
