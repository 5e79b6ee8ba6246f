import { describe, expect, it } from "vitest";
import { draftOf, providerOf, requestOf } from "./account";

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
    expect(providerOf("Ana@GMAIL.com")?.host).toBe("smtp.gmail.com");
    expect(providerOf("ana@example.org")).toBeUndefined();
  });
});
