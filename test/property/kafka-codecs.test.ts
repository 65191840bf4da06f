import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compressionOf, decompress } from "../../src/engine/connectors/kafka/compression.ts";
import { lz4Decompress } from "../../src/engine/connectors/kafka/lz4.ts";
import { snappyDecompress } from "../../src/engine/connectors/kafka/snappy.ts";
import { xxHash32 } from "../../src/engine/connectors/kafka/xxhash32.ts";

const codecs = ["Gzip", "Snappy", "Lz4", "Zstd"] as const;
const own = { Snappy: snappyDecompress, Lz4: lz4Decompress };

/** Bytes with and without repetitions, near and far, up to some blocks long. */
const bytes = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: fc.uint8Array({ maxLength: 300 }) },
      { weight: 3, arbitrary: fc.uint8Array({ maxLength: 12 }).chain((a) => fc.nat(8000).map((n) => repeated(a, n))) },
      { weight: 1, arbitrary: fc.nat(0xff).map((byte) => Buffer.alloc(70_000, byte)) },
    ),
    { maxLength: 12 },
  )
  .chain((parts) => fc.nat(3).map((times) => Buffer.concat(Array.from({ length: times + 1 }, () => parts).flat())));

function repeated(unit: Uint8Array, times: number): Uint8Array {
  return Buffer.concat(Array.from({ length: unit.length === 0 ? 0 : times % 200 }, () => unit));
}

const json = Array.from({ length: 40 }, (_, i) => `{"tenant":"tenant-${(i * 7) % 5}","lag":${i * i}}`).join("");
/** Written by kafka-clients 4.4.0, by the npm packages snappy 7.4.3 and lz4-napi 2.10.0, and by lz4 1.9.4. */
const vectors: readonly (readonly [what: string, codec: "Snappy" | "Lz4", content: string, packed: string])[] = [
  ["Kafka's Java client, snappy", "Snappy", "weir", "glNOQVBQWQAAAAABAAAAAQAAAAYEDHdlaXI="],
  [
    "Kafka's Java client, snappy with copies",
    "Snappy",
    json,
    "glNOQVBQWQAAAAABAAAAAQAAAUnSCSR7InRlbmFudCI6DQk0LTAiLCJsYWciOjB9eyI+HQAAMhEdADFKHQAANBEdADRKHQAAMREdADlKHQAAMxEdBDE2Sh4AFZIEMjVKHgAVkwAzTjwAGZROeAAVlQA2TrMAADMRlgA4Tu4AFZYEMTB2KgEAMk4+ABWYBDE0TnsAFZkEMTZOuAAVmgQxOU71ABWbADJ2MgEEMjVOPgAVmwQyOE58ABWbBDMyTroAFZsEMzZO+AAVmwA0djYBBDQ0Tj4AFZsENDhOfAAVmwQ1Mk66ABWbBDU3TvgAFZsANnY2AQA2Uj4AFZsAN1J8ABWbADdSugAVmwA4UvgAFZsAOXY2AQA5UnQBFZsEMTBSswEVnAQxMFLyARWdBDExUjECFZ4EMTJ2OgEEMTJSrwIZoAAzUu4CGaAANFItAzQzIiwibGFnIjoxNTIxfQ==",
  ],
  ["a bare snappy block, as librdkafka writes it", "Snappy", "weir", "BAx3ZWly"],
  ["Kafka's Java client, lz4", "Lz4", "weir", "BCJNGGBAggQAAIB3ZWlyAAAAAA=="],
  [
    "Kafka's Java client, lz4 with copies",
    "Lz4",
    json,
    "BCJNGGBAglgBAACjeyJ0ZW5hbnQiOgkAzi0wIiwibGFnIjowfR0AFDIdAB8xHQAAFDQdAB80HQAAFDEdAB85HQAAFDMdAC8xNh4AAAWSAC8yNR4AAAWTAB8zPAABBpQAD3gAAQWVAB82swABBZYAHzjuAAEFlgAvMTAqAQsfMj4AAQWYAC8xNHsAAQWZAC8xNrgAAQWaAC8xOfUAAQWbAB8yMgELLzI1PgABBZsALzI4fAABBZsALzMyugABBZsALzM2+AABBZsAHzQ2AQsvNDQ+AAEFmwAvNDh8AAEFmwAvNTK6AAEFmwAvNTf4AAEFmwAfNjYBCx82PgACBZsAHzd8AAIFmwAfN7oAAgWbAB84+AACBZsAHzk2AQsfOXQBAgWbAC8xMLMBAgWcAC8xMPIBAgWdAC8xMTECAgWeAB8xcAIMLzEyrwICBqAAHzPuAgIGoAAfNC0DAgWgAFAxNTIxfQAAAAA=",
  ],
  [
    "the lz4 tool, with linked blocks, all checksums and the content's size",
    "Lz4",
    "weir streams ".repeat(11_000),
    "BCJNGFxAmC4CAAAAAADzFwEAAN93ZWlyIHN0cmVhbXMgDQD/////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////21BzIHdlaaw8GNwKAQAAD/3//////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////+hQZWlyIHPLyJr5RQAAAN90cmVhbXMgd2VpciBzDQD/////////////////////////////////////////////////////////////oVBlYW1zIFaOUbcAAAAA11LqSA==",
  ],
];

describe("the codecs of record batches", () => {
  it("give back what was compressed", () => {
    const sizes = new Map<string, number>();
    let plain = 0;
    fc.assert(
      fc.property(bytes, (data) => {
        plain += data.length;
        for (const name of codecs) {
          const { code, compress } = compressionOf(name);
          const packed = compress(data);
          expect(decompress(code, packed).equals(data)).toBe(true);
          sizes.set(name, (sizes.get(name) ?? 0) + packed.length);
        }
      }),
      { numRuns: 300 },
    );
    console.log(`codecs: ${plain} bytes → ${[...sizes].map(([name, size]) => `${name} ${size}`).join(", ")}`);
  });

  it.each(vectors)("read what %s wrote", (_, codec, content, packed) => {
    const found = decompress(compressionOf(codec).code, Buffer.from(packed, "base64"));
    expect(found.toString()).toBe(content);
  });

  it("read bytes that were damaged as an error or as something within the limit, and never hang", () => {
    const limit = 100_000;
    let refused = 0;
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(0xff)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(
        bytes,
        fc.constantFrom("Snappy" as const, "Lz4" as const),
        damage,
        fc.nat(),
        (data, name, at, cut) => {
          const packed = Buffer.from(compressionOf(name).compress(data));
          for (const [place, byte] of at) packed[place % packed.length] = byte;
          const hostile = cut % 3 === 0 ? packed.subarray(0, cut % packed.length) : packed;
          try {
            expect(own[name](hostile, limit).length).toBeLessThanOrEqual(limit);
          } catch (error) {
            expect((error as Error).message).toMatch(/cut short or damaged|grow to more|LZ4 frame|it holds/);
            refused++;
          }
        },
      ),
      { numRuns: 3000 },
    );
    expect(refused).toBeGreaterThan(100);
  });

  it("refuse what would grow beyond the limit", () => {
    for (const name of ["Snappy", "Lz4"] as const) {
      const packed = compressionOf(name).compress(Buffer.alloc(1_000_000));
      expect(own[name](packed, 1_000_000)).toHaveLength(1_000_000);
      expect(() => own[name](packed, 999_999)).toThrow("grow to more than");
    }
  });

  it("name what they cannot read", () => {
    expect(() => decompress(7, Buffer.from("x"))).toThrow("unknown codec 7");
    expect(() => decompress(3, Buffer.from("0123456789"))).toThrow("decompressed as Lz4: it is no LZ4 frame");
  });

  it("have the checksum of the published test vectors", () => {
    expect([xxHash32(Buffer.alloc(0)), xxHash32(Buffer.from("a")), xxHash32(Buffer.from("abc"))]).toEqual([
      0x02cc5d05, 0x550d7456, 0x32d153ff,
    ]);
  });
});
