/** What stands in front of Casement on the internet, on loopback: a name server, and a server with a certificate. */
import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const HOST = "news.harbour.test";

export interface Front {
  /** The public address. */
  url: string;
  /** `ADDR:PORT` of the name server that knows it. */
  dns: string;
  /** A file with the certificate to trust. */
  pem: string;
  /** Hands on to an entrance from now on, or says that nothing is behind it. */
  leadTo: (entrance: string | undefined) => void;
  close: () => Promise<void>;
}

export async function startFront(): Promise<Front> {
  const dir = mkdtempSync(join(tmpdir(), "casement-front-"));
  const [key, pem] = [join(dir, "key.pem"), join(dir, "cert.pem")];
  const names = ["-subj", `/CN=${HOST}`, "-addext", `subjectAltName=DNS:${HOST}`, "-addext", "basicConstraints=critical,CA:FALSE"];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "60"];
  execFileSync("openssl", ["req", "-x509", ...kind, ...names, "-keyout", key, "-out", pem], { stdio: "ignore" });

  let behind: string | undefined;
  const server = createServer({ key: readFileSync(key), cert: readFileSync(pem) }, (asked, answer) => {
    if (behind === undefined) {
      answer.writeHead(502).end("nothing");
      return;
    }
    request(behind + (asked.url ?? "/"), { method: asked.method, headers: asked.headers }, (answered) => {
      answer.writeHead(answered.statusCode ?? 502, answered.headers);
      answered.pipe(answer);
    })
      .on("error", () => answer.writeHead(502).end())
      .end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));

  const dns = createSocket("udp4");
  dns.on("message", (question, from) => {
    const answer = answerTo(question);
    dns.send(answer, from.port, from.address);
  });
  await new Promise<void>((resolve) => dns.bind(0, "127.0.0.1", resolve));

  return {
    url: `https://${HOST}:${String((server.address() as AddressInfo).port)}`,
    dns: `127.0.0.1:${String(dns.address().port)}`,
    pem,
    leadTo: (entrance) => (behind = entrance),
    async close() {
      await new Promise<void>((resolve) => dns.close(() => resolve()));
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(dir, { recursive: true });
    },
  };
}

/** Says 127.0.0.1 to who asks for the address of the host, and that there is nothing to all others (RFC 1035 §4.1). */
function answerTo(question: Buffer): Buffer {
  let end = 12;
  const labels: string[] = [];
  for (let length = question[end] ?? 0; length > 0; length = question[end] ?? 0) {
    labels.push(question.toString("latin1", end + 1, end + 1 + length));
    end += 1 + length;
  }
  end += 5;
  const isKnown = labels.join(".").toLowerCase() === HOST;
  const isAddress = question.readUInt16BE(end - 4) === 1;
  const head = Buffer.from(question.subarray(0, end));
  head.writeUInt16BE(isKnown ? 0x8180 : 0x8183, 2);
  head.writeUInt16BE(isKnown && isAddress ? 1 : 0, 6);
  head.writeUInt32BE(0, 8);
  if (!isKnown || !isAddress) return head;
  // The name as it was asked for, A, IN, a minute, 127.0.0.1.
  return Buffer.concat([head, Buffer.from([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1])]);
}
