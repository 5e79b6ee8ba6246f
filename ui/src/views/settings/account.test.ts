import { describe, expect, it } from "vitest";
import type { AccountProvider } from "$lib/bindings/api";
import { draftOf, providerAt, providerOf, providerToSignInAt, requestOf } from "./account";

function provider(more: Partial<AccountProvider>): AccountProvider {
  return { id: "", name: "", host: "", port: 465, tls: "tls", per_second: 0, per_minute: 0, per_hour: 0, per_day: 0, connections: 1, note: "", source: "", keeps_copy: false, domains: [], sign_in: null, ...more };
}

const PROVIDERS = [
  provider({ id: "gmail", domains: ["gmail.com", "googlemail.com"], sign_in: "google" }),
  provider({ id: "workspace", sign_in: "google" }),
  provider({ id: "business", host: "smtp.business.example.org", sign_in: "microsoft" }),
  provider({ id: "other" }),
];

describe("an account as it is typed", () => {
  it("keeps the secret that there is when no new one is typed", () => {
    const draft = { ...draftOf(null, "smtp"), fromAddress: "ana@example.org" };
    expect("password" in requestOf(draft, null, "smtp"), "an empty field must not erase a password").toBe(false);
    expect(requestOf({ ...draft, password: "x" }, null, "smtp").password).toBe("x");
  });

  it("carries nothing of a server for a practice outbox", () => {
    const request = requestOf({ ...draftOf(null, "outbox"), host: "mail.example.org", user: "ana", password: "x" }, null, "outbox");
    expect(request).toMatchObject({ host: "", port: 0, tls: "none", user: "" });
    expect("password" in request).toBe(false);
  });

  it("is named by its address when it has no name", () => {
    expect(requestOf({ ...draftOf(null, "smtp"), fromAddress: "ana@example.org" }, null, "smtp").name).toBe("ana@example.org");
  });

  it("knows providers by the address's domain", () => {
    expect(providerOf(PROVIDERS, "Ana@GMAIL.com")?.id).toBe("gmail");
    expect(providerOf(PROVIDERS, "ana@example.org")).toBeUndefined();
    expect(providerOf(PROVIDERS, "ana"), "no domain is no provider's").toBeUndefined();
  });

  it("signs in at the address's own provider, and with another address at the one for organisations", () => {
    expect(providerToSignInAt(PROVIDERS, "google", "ana@gmail.com")?.id).toBe("gmail");
    expect(providerToSignInAt(PROVIDERS, "google", "ana@example.org")?.id).toBe("workspace");
    expect(providerToSignInAt(PROVIDERS, "microsoft", "ana@gmail.com")?.id).toBe("business");
    expect(providerToSignInAt([], "microsoft", "ana@example.org")).toBeUndefined();
  });

  it("knows a server by its whole name", () => {
    expect(providerAt(PROVIDERS, " SMTP.business.example.org ")?.sign_in).toBe("microsoft");
    expect(providerAt(PROVIDERS, "smtp.business.example.org.example.com")).toBeUndefined();
  });
});
