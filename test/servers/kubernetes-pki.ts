import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface Pki {
  readonly caFile: string;
  readonly serverCertFile: string;
  readonly serverKeyFile: string;
  /** Signs ServiceAccount tokens. */
  readonly accountKeyFile: string;
  readonly ca: string;
  readonly adminCert: string;
  readonly adminKey: string;
}

/** A CA, the API server's certificate and one of a cluster administrator, all EC P-256 (RSA would cost seconds). */
export async function makePki(dir: string): Promise<Pki> {
  const file = (name: string): string => join(dir, name);
  const certificate = async (name: string, subject: string, extra: readonly string[]): Promise<void> => {
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", file(`${name}.key`)];
    await openssl(["req", "-x509", "-days", "30", "-subj", subject, ...key, "-out", file(`${name}.crt`), ...extra]);
  };
  const signed = ["-CA", file("ca.crt"), "-CAkey", file("ca.key"), "-addext", "basicConstraints=critical,CA:FALSE"];
  await certificate("ca", "/CN=weir-test-ca", ["-addext", "keyUsage=critical,keyCertSign,digitalSignature"]);
  await Promise.all([
    certificate("server", "/CN=kube-apiserver", [
      ...signed,
      "-addext",
      "extendedKeyUsage=serverAuth",
      "-addext",
      "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:kubernetes.default.svc",
    ]),
    certificate("admin", "/O=system:masters/CN=admin", [...signed, "-addext", "extendedKeyUsage=clientAuth"]),
    openssl(["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", file("accounts.key")]),
  ]);
  return {
    caFile: file("ca.crt"),
    serverCertFile: file("server.crt"),
    serverKeyFile: file("server.key"),
    accountKeyFile: file("accounts.key"),
    ca: readFileSync(file("ca.crt"), "utf8"),
    adminCert: readFileSync(file("admin.crt"), "utf8"),
    adminKey: readFileSync(file("admin.key"), "utf8"),
  };
}

async function openssl(args: readonly string[]): Promise<void> {
  try {
    await run("openssl", [...args]);
  } catch (e) {
    const missing = e instanceof Error && "code" in e && e.code === "ENOENT";
    throw new Error(
      missing ? "the test cluster needs the openssl command (3.0 or newer) in PATH" : `openssl: ${String(e)}`,
      {
        cause: e,
      },
    );
  }
}
