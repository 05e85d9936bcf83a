// A certificate authority, a server certificate for "broker.test" and a client certificate, made by openssl into a folder.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const openssl = (folder: string, ...args: string[]): void =>
  void execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });

const signed = (folder: string, name: string, subject: string): void => {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", `${name}.key`];
  openssl(folder, "req", ...key, "-out", `${name}.csr`, "-subj", `/CN=${subject}`);
  writeFileSync(join(folder, `${name}.ext`), `subjectAltName=DNS:${subject}\n`);
  const authority = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
  openssl(
    folder,
    "x509",
    "-req",
    "-in",
    `${name}.csr`,
    ...authority,
    "-days",
    "2",
    "-extfile",
    `${name}.ext`,
    "-out",
    `${name}.pem`,
  );
};

export const makeCertificates = (folder: string): void => {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key"];
  openssl(folder, "req", "-x509", ...key, "-days", "2", "-out", "ca.pem", "-subj", "/CN=Test authority");
  signed(folder, "server", "broker.test");
  signed(folder, "client", "edge.test");
};
