import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { frameReader, type Frame } from "../../src/engine/connectors/kafka/frames.ts";

/** Feeds bytes as a socket would: into the reader's own target, in pieces of the given sizes. */
function feed(reader: ReturnType<typeof frameReader>, stream: Buffer, sizes: readonly number[]): void {
  let at = 0;
  for (let i = 0; at < stream.length; i++) {
    const target = reader.target();
    expect(target.length).toBeGreaterThan(0);
    const n = Math.min(sizes[i % sizes.length] ?? 1, target.length, stream.length - at);
    stream.copy(target, 0, at, at + n);
    at += n;
    reader.filled(n);
  }
}

const content = (size: number, seed: number): Buffer => Buffer.alloc(size, (seed % 255) + 1);

function framed(body: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeInt32BE(body.length);
  return Buffer.concat([size, body]);
}

describe("the frame reader", () => {
  it("cuts the same frames out of a stream however it arrives, and lends each buffer until it is released", () => {
    const frameSize = fc.oneof(fc.integer({ min: 4, max: 200 }), fc.integer({ min: 30_000, max: 300_000 }));
    const pieces = fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(fc.array(frameSize, { minLength: 1, maxLength: 12 }), pieces, fc.nat(3), (sizes, chunks, lag) => {
        const bodies = sizes.map(content);
        const found: Buffer[] = [];
        const lent: Frame[] = [];
        const take = (frame: Frame | undefined): void => {
          if (frame === undefined) return;
          found.push(Buffer.from(frame.reader.buf.subarray(frame.reader.at, frame.end)));
          frame.release();
        };
        // Read only when `lag` more have come: a frame must stay whole while others arrive.
        const reader = frameReader(
          (frame) => {
            lent.push(frame);
            if (lent.length > lag) take(lent.shift());
          },
          (reason) => {
            throw new Error(reason);
          },
        );
        const small = sizes.every((size) => size < 1000) ? chunks.map((size) => 1 + (size % 7)) : chunks;
        feed(reader, Buffer.concat(bodies.map(framed)), small);
        while (lent.length > 0) take(lent.shift());
        expect(found.map((f) => f.length)).toEqual(bodies.map((b) => b.length));
        expect(found.every((f, i) => f.equals(bodies[i] ?? Buffer.alloc(0)))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it("says that a stream is not Kafka's protocol instead of waiting for a gigabyte", () => {
    const reasons: string[] = [];
    const reader = frameReader(
      () => undefined,
      (reason) => reasons.push(reason),
    );
    feed(reader, Buffer.from("HTTP/1.1 400 Bad Request\r\n"), [26]);
    expect(reasons).toEqual([expect.stringContaining("is not Kafka's protocol")]);
  });
});
