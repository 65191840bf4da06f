import { viewOf } from "../short-copy.ts";
import { murmur2 } from "../windows/murmur2.ts";

export const WORD = 8;
const FIRST_BYTES = 128;

/**
 * JSON that is the same for all rows of a window: printed once, copied into each of them. Rows of a window are given one
 * after the other, so one window's is kept at a time.
 */
export class Printed {
  /** The window's end. */
  of = Number.NaN;
  bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  view = viewOf(this.bytes);
  length = 0;
  /** Of a key. */
  hash = 0;

  print(of: number, text: string): void {
    const length = Buffer.byteLength(text);
    // Whole words are read of it.
    if (length + WORD > this.bytes.length) {
      this.bytes = Buffer.allocUnsafeSlow((length + WORD) * 2);
      this.view = viewOf(this.bytes);
    }
    this.length = this.bytes.write(text);
    this.of = of;
  }

  printKey(of: number, text: string): void {
    this.print(of, text);
    this.hash = murmur2(this.bytes, 0, this.length);
  }
}

/** The variables of such texts in one generated function. */
export class PrintedTexts {
  private readonly prefix: string;
  private readonly names: string[] = [];

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  /** The name of a new one, and the statement that prints it where the window is another: `parts` are JavaScript of texts and numbers. */
  text(
    parts: readonly string[],
    print: "print" | "printKey" = "print",
  ): { readonly name: string; readonly step: string } {
    const name = `${this.prefix}${this.names.length}`;
    this.names.push(name);
    return { name, step: `if (${name}.of !== end) ${name}.${print}(end, "" + ${parts.join(" + ")});` };
  }

  declared(): string {
    return this.names.map((name) => `const ${name} = new Printed();`).join("\n");
  }
}
