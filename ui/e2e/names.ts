/** A name server on a loopback port that answers TXT, MX and A questions out of a table (RFC 1035 §4). */
import { createSocket, type Socket } from "node:dgram";

type Records = Record<string, { txt?: string[]; mx?: [number, string][]; a?: string[] }>;

const TYPES = { a: 1, mx: 15, txt: 16 } as const;
const NXDOMAIN = 3;

export class Names {
  readonly #socket: Socket;
  readonly address: string;

  private constructor(socket: Socket, records: Records) {
    this.#socket = socket;
    this.address = `127.0.0.1:${socket.address().port}`;
    socket.on("message", (question, from) => socket.send(answer(question, records), from.port, from.address));
  }

  static async start(records: Records): Promise<Names> {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
    return new Names(socket, records);
  }

  stop(): void {
    this.#socket.close();
  }
}

function encoded(name: string): Buffer {
  const labels = name.split(".").map((label) => Buffer.from([label.length, ...Buffer.from(label)]));
  return Buffer.concat([...labels, Buffer.from([0])]);
}

function answer(question: Buffer, records: Records): Buffer {
  let at = 12;
  const labels: string[] = [];
  while (question[at] !== 0) {
    const length = question[at] ?? 0;
    labels.push(question.toString("ascii", at + 1, at + 1 + length));
    at += 1 + length;
  }
  const type = question.readUInt16BE(at + 1);
  const found = records[labels.join(".").toLowerCase()];
  const data = dataOf(found, type);
  const header = Buffer.alloc(12);
  question.copy(header, 0, 0, 2);
  header.writeUInt16BE(0x8180 | (found === undefined ? NXDOMAIN : 0), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(data.length, 6);
  const answers = data.map((each) => {
    const head = Buffer.alloc(12);
    // The name is that of the question.
    head.writeUInt16BE(0xc00c, 0);
    head.writeUInt16BE(type, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt32BE(60, 6);
    head.writeUInt16BE(each.length, 10);
    return Buffer.concat([head, each]);
  });
  return Buffer.concat([header, question.subarray(12, at + 5), ...answers]);
}

function dataOf(found: Records[string] | undefined, type: number): Buffer[] {
  switch (type) {
    case TYPES.txt:
      return (found?.txt ?? []).map((text) => {
        const pieces = text.match(/.{1,255}/g) ?? [""];
        return Buffer.concat(pieces.map((piece) => Buffer.from([piece.length, ...Buffer.from(piece)])));
      });
    case TYPES.mx:
      return (found?.mx ?? []).map(([preference, host]) =>
        Buffer.concat([Buffer.from([preference >> 8, preference & 255]), encoded(host)]),
      );
    case TYPES.a:
      return (found?.a ?? []).map((address) => Buffer.from(address.split(".").map(Number)));
    default:
      return [];
  }
}
