/** Signing in instead of a password, over a certificate that is trusted first: a real authorization server, a real mail server. */
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CLIENT, startServices, type Services } from "./services";
import { CasementWindow } from "./window";

let window: CasementWindow;
let services: Services;

const USER = "ana@example.org";

beforeAll(async () => {
  services = await startServices();
  window = await CasementWindow.open();
});

afterAll(async () => {
  await window.close();
  await services.close();
});

/** What a person does on the service's own pages. */
async function allow(popup: Page): Promise<void> {
  await popup.getByPlaceholder("Enter any login").fill(USER);
  await popup.getByPlaceholder("and password").fill("whatever");
  await popup.getByRole("button", { name: "Sign-in" }).click();
  await popup.getByRole("button", { name: "Continue" }).click();
  await popup.getByText("You can close this tab").waitFor();
}

describe("an account that signs in", () => {
  it("asks for a client ID, and says how to get one", async () => {
    const { page } = window;
    await window.go("/settings?new=smtp");
    await page.getByLabel("Your name, as readers see it").fill("Riverside Rowing Club");
    await page.getByLabel("Your address").fill(USER);
    await page.getByRole("option", { name: "Google Workspace" }).waitFor({ state: "attached" });
    await page.getByLabel("How you log in").selectOption("google");
    expect(await page.getByLabel("Host").inputValue()).toBe("smtp.gmail.com");
    expect(await page.getByLabel("Password").count(), "a sign-in has no password here").toBe(0);
    await page.getByText("How do I get a client ID?").click();
    await page.getByText("create a client of the type “Desktop app”").waitFor();
    expect(await window.inspect("sign-in-google")).toEqual([]);
    await page.getByLabel("How you log in").selectOption("microsoft");
    expect(await page.getByLabel("Host").inputValue()).toBe("smtp.office365.com");
    await page.getByLabel("Tenant").waitFor();
    expect(await window.inspect("sign-in-microsoft")).toEqual([]);
    await page.getByLabel("How you log in").selectOption("password");
    await page.getByText("Microsoft is about to stop taking passwords here.").waitFor();
    expect(await window.inspect("sign-in-microsoft-password")).toEqual([]);
  });

  it("shows the certificate that nobody vouches for, and trusts that one", async () => {
    const { page } = window;
    await page.getByLabel("How you log in").selectOption("other");
    await page.getByLabel("Host").fill("localhost");
    await page.getByLabel("Port").fill(String(services.smtpPort));
    await page.getByLabel("Encryption").selectOption("starttls");
    await page.getByLabel("Client ID").fill(CLIENT.id);
    await page.getByLabel("Client secret").fill(CLIENT.secret);
    await page.getByLabel("Address to sign in at").fill("http://login.example.org/auth");
    await page.getByLabel("Address of tokens").fill(`${services.issuer}/token`);
    await page.getByLabel("Scope").fill("mail");
    await page.getByRole("button", { name: "Test connection" }).click();
    await page.getByText("is not encrypted, so others could read").waitFor();
    await page.getByLabel("Address to sign in at").fill(`${services.issuer}/auth`);
    await page.getByRole("button", { name: "Test connection" }).click();
    const certificate = page.getByRole("region", { name: "Certificate of localhost" });
    await certificate.getByText(/^([0-9A-F]{4} ){15}[0-9A-F]{4}$/).waitFor();
    await certificate.scrollIntoViewIfNeeded();
    expect(await window.inspect("sign-in-certificate")).toEqual([]);
    await certificate.getByRole("button", { name: /trust this certificate/ }).click();
    await page.getByText(`${USER} is not signed in yet`).waitFor();
    await certificate.getByText("You trust this certificate").waitFor();
    await certificate.scrollIntoViewIfNeeded();
    expect(await window.inspect("sign-in-trusted")).toEqual([]);

    // Another server, or another way to it, is not the one that showed the certificate.
    await page.getByLabel("Encryption").selectOption("tls");
    await certificate.waitFor({ state: "detached" });
    await page.getByLabel("Encryption").selectOption("starttls");
    await page.getByRole("button", { name: "Test connection" }).click();
    await certificate.getByRole("button", { name: /trust this certificate/ }).click();
    await certificate.getByText("You trust this certificate").waitFor();
    await page.getByLabel("Provider").selectOption("fastmail");
    await page.getByText("You trust this certificate").waitFor({ state: "detached" });
    await page.getByLabel("Host").fill("localhost");
    await page.getByLabel("Port").fill(String(services.smtpPort));
    await page.getByLabel("Encryption").selectOption("starttls");
    await page.getByRole("button", { name: "Test connection" }).click();
    await certificate.getByRole("button", { name: /trust this certificate/ }).click();
    await certificate.getByText("You trust this certificate").waitFor();
  });

  it("can be cancelled, and refused on the service's page", async () => {
    const { page } = window;
    const button = page.getByRole("button", { name: "Save and sign in" });
    let [popup] = await Promise.all([page.waitForEvent("popup"), button.click()]);
    await page.getByText("Your browser is open").waitFor();
    await page.getByText("Your browser is open").scrollIntoViewIfNeeded();
    expect(await window.inspect("sign-in-waiting")).toEqual([]);
    await page.getByRole("button", { name: "Cancel the sign-in" }).click();
    await button.waitFor();
    await popup.close();
    [popup] = await Promise.all([page.waitForEvent("popup"), button.click()]);
    await popup.getByRole("link", { name: "[ Cancel ]" }).click();
    await popup.getByText("You were not signed in").waitFor();
    await page.getByText("You did not allow Casement to send").waitFor();
    await page.getByText("You did not allow Casement to send").scrollIntoViewIfNeeded();
    expect(await window.inspect("sign-in-refused")).toEqual([]);
    await popup.close();
  });

  it("signs in in the browser, and then logs in at the mail server", async () => {
    const { page } = window;
    const button = page.getByRole("button", { name: "Save and sign in" });
    const [popup] = await Promise.all([page.waitForEvent("popup"), button.click()]);
    await allow(popup);
    await popup.close();
    await page.getByText("Signed in with the service since").waitFor();
    await page.getByRole("button", { name: "Test connection" }).click();
    await page.getByText("answered and took the login").waitFor();
    await page.getByText("Signed in with the service since").scrollIntoViewIfNeeded();
    expect(await window.inspect("sign-in-done")).toEqual([]);
    expect(services.refusals()).toBe(0);
    const { accounts } = await window.call("account_list", {});
    expect(JSON.stringify(accounts), "no secret comes back").not.toContain(CLIENT.secret);
    expect(accounts[0]?.trusted?.fingerprint).toMatch(/^[0-9A-F ]{79}$/);
  });

  it("says when to sign in again, and asks again about a certificate that is no longer trusted", async () => {
    const { page } = window;
    const { accounts } = await window.call("account_list", {});
    const id = accounts[0]?.id ?? 0;
    expect((await window.call("account_test", { id })).ok).toBe(true);
    await services.revoke();
    const test = await window.call("account_test", { id });
    expect(test.sentence).toContain("Sign in again");
    await window.go("/");
    await window.go("/settings");
    await page.getByRole("button", { name: `Change ${USER}` }).click();
    await page.getByText("You are not signed in yet").waitFor();
    await page.getByText("You are not signed in yet").scrollIntoViewIfNeeded();
    expect(await window.inspect("sign-in-again")).toEqual([]);
    const button = page.getByRole("button", { name: "Save and sign in" });
    const [popup] = await Promise.all([page.waitForEvent("popup"), button.click()]);
    // The service still knows who it is, and may ask for nothing.
    const field = popup.getByPlaceholder("Enter any login");
    const done = popup.getByText("You can close this tab");
    await field.or(done).or(popup.getByRole("button", { name: "Continue" })).first().waitFor();
    if (await field.isVisible()) await allow(popup);
    else if (!(await done.isVisible())) await popup.getByRole("button", { name: "Continue" }).click();
    await done.waitFor();
    await page.getByText("Signed in with the service since").waitFor();
    expect((await window.call("account_test", { id })).ok).toBe(true);
    await page.getByRole("button", { name: "Stop trusting it" }).click();
    await page.getByRole("button", { name: "Stop trusting it" }).waitFor({ state: "detached" });
    const refused = await window.call("account_test", { id });
    expect(refused.certificate, "the exception is gone").not.toBeNull();
    expect(refused.ok).toBe(false);
  });
});
