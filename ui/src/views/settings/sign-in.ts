/** How an account logs in, as it is typed: by password, or by signing in with a service. */
import type { Account, SignInService, SignInSettings } from "$lib/bindings/api";

export type Way = "password" | SignInService;

export interface SignInDraft {
  way: Way;
  clientId: string;
  clientSecret: string;
  tenant: string;
  authorizeUrl: string;
  tokenUrl: string;
  scope: string;
}

export const WAYS: readonly { value: Way; label: string }[] = [
  { value: "password", label: "With a password" },
  { value: "google", label: "Sign in with Google" },
  { value: "microsoft", label: "Sign in with Microsoft" },
  { value: "other", label: "Sign in with another service" },
];

export const SERVICE_NAMES = { google: "Google", microsoft: "Microsoft", other: "the service" } satisfies Record<SignInService, string>;

/** The fields of the form that the core may blame. */
export const SIGN_IN_FIELDS = ["client_id", "tenant", "authorize_url", "token_url", "scope"];

export function signInDraftOf(account: Account | null): SignInDraft {
  const signIn = account?.sign_in;
  return {
    way: signIn?.service ?? "password",
    clientId: signIn?.client_id ?? "",
    clientSecret: "",
    tenant: signIn?.tenant === "common" ? "" : (signIn?.tenant ?? ""),
    authorizeUrl: signIn?.authorize_url ?? "",
    tokenUrl: signIn?.token_url ?? "",
    scope: signIn?.scope ?? "",
  };
}

/** The draft as the core takes it; an empty secret keeps the one that there is. */
export function signInRequestOf(draft: SignInDraft): { sign_in?: SignInSettings } {
  const { way } = draft;
  if (way === "password") return {};
  const isOther = way === "other";
  return {
    sign_in: {
      service: way,
      client_id: draft.clientId.trim(),
      ...(draft.clientSecret.trim() === "" ? {} : { client_secret: draft.clientSecret.trim() }),
      tenant: way === "microsoft" ? draft.tenant.trim() : "",
      authorize_url: isOther ? draft.authorizeUrl.trim() : "",
      token_url: isOther ? draft.tokenUrl.trim() : "",
      scope: isOther ? draft.scope.trim() : "",
    },
  };
}
