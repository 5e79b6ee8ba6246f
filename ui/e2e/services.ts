/** Real servers on loopback for signing in: `oidc-provider` gives tokens, `smtp-server` takes mail for them by XOAUTH2. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Provider } from "oidc-provider";
import { SMTPServer } from "smtp-server";

export const CLIENT = { id: "casement-test", secret: "a secret of the client" } as const;

export interface Services {
  /** The authorization server's base address. */
  issuer: string;
  smtpPort: number;
  /** How often a login was refused. */
  refusals: () => number;
  /** Takes every permission back. */
  revoke: () => Promise<void>;
  close: () => Promise<void>;
}

export async function startServices(): Promise<Services> {
  let listening: Server | undefined;
  // Its address is known once it listens, and it wants to know its address.
  const placeholder = await listen((await import("node:http")).createServer());
  const { port } = placeholder.address() as AddressInfo;
  await new Promise((resolve) => placeholder.close(resolve));
  const issuer = `http://127.0.0.1:${port}`;
  const grants = new Set<string>();
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: CLIENT.id,
        client_secret: CLIENT.secret,
        application_type: "native",
        // A native client's loopback address is taken at any port (RFC 8252 §7.3).
        redirect_uris: ["http://127.0.0.1/"],
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
        token_endpoint_auth_method: "client_secret_post",
      },
    ],
    scopes: ["mail"],
    pkce: { required: () => true },
    issueRefreshToken: (_context, client) => client.grantTypeAllowed("refresh_token"),
    rotateRefreshToken: true,
    ttl: { AccessToken: 3600, RefreshToken: 86_400, Session: 3600, Grant: 86_400, Interaction: 3600 },
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  });
  provider.on("grant.success", (context) => {
    const grant = context.oidc.entities.Grant?.jti;
    if (grant !== undefined) grants.add(grant);
  });
  listening = provider.listen(port, "127.0.0.1");
  await new Promise((resolve) => listening?.once("listening", resolve));

  let refused = 0;
  const smtp = new SMTPServer({
    ...selfSigned(),
    authMethods: ["XOAUTH2"],
    logger: false,
    onAuth(auth, _session, done) {
      void provider.AccessToken.find(auth.accessToken ?? "").then((token) => {
        if (token !== undefined && token.scopes.has("mail") && token.accountId === auth.username) return done(null, { user: auth.username });
        refused += 1;
        return done(null, { data: { status: "401", schemes: "bearer", scope: "mail" } } as never);
      });
    },
  });
  // A client that refuses the certificate hangs up: that is what the test wants.
  smtp.on("error", () => undefined);
  await new Promise<void>((resolve) => smtp.listen(0, "127.0.0.1", resolve));
  const { port: smtpPort } = smtp.server.address() as AddressInfo;

  return {
    issuer,
    smtpPort,
    refusals: () => refused,
    async revoke() {
      for (const grant of grants) {
        await provider.RefreshToken.revokeByGrantId(grant);
        await provider.AccessToken.revokeByGrantId(grant);
      }
    },
    async close() {
      await new Promise<void>((resolve) => smtp.close(() => resolve()));
      listening?.closeAllConnections();
      await new Promise((resolve) => listening?.close(resolve));
    },
  };
}

/** A certificate for localhost that nobody vouches for, as an owner of a small server makes it. */
function selfSigned(): { key: Buffer; cert: Buffer } {
  const dir = mkdtempSync(join(tmpdir(), "casement-certificate-"));
  const [key, cert] = [join(dir, "key.pem"), join(dir, "cert.pem")];
  const subject = ["-subj", "/O=Riverside Rowing Club/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"];
  execFileSync("openssl", ["req", "-x509", ...kind, ...subject, "-keyout", key, "-out", cert], { stdio: "ignore" });
  const pair = { key: readFileSync(key), cert: readFileSync(cert) };
  rmSync(dir, { recursive: true });
  return pair;
}

function listen(server: Server): Promise<Server> {
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}
