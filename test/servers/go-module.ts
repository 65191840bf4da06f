import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import { promisify } from "node:util";

/** The folder with the sources of `module@version`, fetched on first use: manifests come with them. */
export async function goModule(module: string): Promise<string> {
  const env = { ...process.env, GOFLAGS: "-mod=mod" };
  const { stdout } = await promisify(execFile)("go", ["mod", "download", "-json", module], { cwd: tmpdir(), env });
  return (JSON.parse(stdout) as { Dir: string }).Dir;
}
