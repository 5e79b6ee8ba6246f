/** Starts the window: styles, theme, backend, frame. */
import "@fontsource-variable/inter/opsz.css";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/floating.css";
import { mount } from "svelte";
import App from "./App.svelte";
import { connect } from "$lib/backend/backend";
import { showTheme } from "$lib/theme";

showTheme();
const target = document.getElementById("app");
if (target === null) throw new Error("index.html lost its #app element");
await connect();
mount(App, { target });
