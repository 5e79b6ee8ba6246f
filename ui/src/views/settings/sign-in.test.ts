import { describe, expect, it } from "vitest";
import { draftOf, requestOf } from "./account";
import { signInDraftOf, signInRequestOf } from "./sign-in";

describe("how an account logs in, as it is typed", () => {
  const draft = { ...signInDraftOf(null), clientId: " id ", clientSecret: "", tenant: "club.example.org", authorizeUrl: "https://a", scope: "mail" };

  it("says nothing of signing in for a password", () => {
    expect(signInRequestOf(draft)).toEqual({});
  });

  it("keeps the client secret that there is when no new one is typed", () => {
    const google = signInRequestOf({ ...draft, way: "google" }).sign_in;
    expect(google).toEqual({ service: "google", client_id: "id", tenant: "", authorize_url: "", token_url: "", scope: "" });
    expect(signInRequestOf({ ...draft, way: "google", clientSecret: " x " }).sign_in?.client_secret).toBe("x");
  });

  it("sends each service what is its own", () => {
    expect(signInRequestOf({ ...draft, way: "microsoft" }).sign_in).toMatchObject({ tenant: "club.example.org", scope: "" });
    expect(signInRequestOf({ ...draft, way: "other" }).sign_in).toMatchObject({ tenant: "", scope: "mail", authorize_url: "https://a" });
  });

  it("sends no password beside a sign-in", () => {
    const typed = { ...draftOf(null, "smtp"), password: "secret" };
    typed.signIn.way = "google";
    expect("password" in requestOf(typed, null, "smtp")).toBe(false);
  });
});
