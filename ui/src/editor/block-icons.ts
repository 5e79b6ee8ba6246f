/** A picture for each type of block. */
import type { Component } from "svelte";
import type { LucideProps } from "@lucide/svelte";
import Heading from "@lucide/svelte/icons/heading";
import ImageIcon from "@lucide/svelte/icons/image";
import List from "@lucide/svelte/icons/list";
import Minus from "@lucide/svelte/icons/minus";
import PanelBottom from "@lucide/svelte/icons/panel-bottom";
import Pilcrow from "@lucide/svelte/icons/pilcrow";
import RectangleHorizontal from "@lucide/svelte/icons/rectangle-horizontal";
import ShieldQuestion from "@lucide/svelte/icons/shield-question-mark";
import type { BlockType } from "./blocks";

export const BLOCK_ICONS = {
  heading: Heading,
  text: Pilcrow,
  list: List,
  image: ImageIcon,
  button: RectangleHorizontal,
  divider: Minus,
  consent: ShieldQuestion,
  footer: PanelBottom,
} satisfies Record<BlockType, Component<LucideProps>>;

export const BLOCK_TYPES = ["heading", "text", "list", "image", "button", "divider", "consent", "footer"] as const satisfies readonly BlockType[];
