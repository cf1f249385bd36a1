// Markup that cannot be broken by data. `html` is a template tag: what is interpolated is escaped
// unless it is Markup itself, so a scenario called `<script>` stays a name. Pure; any thread.

/** Text that is known to be well-formed HTML or SVG. Made only by `html`. */
export interface Markup {
  readonly markup: string;
}

export type Content = string | number | Markup | readonly Content[] | null;

const compacted = new WeakMap<TemplateStringsArray, readonly string[]>();

/**
 * Template tag for HTML and SVG. Strings and numbers are escaped, null is nothing. The indentation
 * of the template itself is dropped: with thousands of bars it would be most of the page.
 */
export function html(template: TemplateStringsArray, ...contents: readonly Content[]): Markup {
  let parts = compacted.get(template);
  if (parts === undefined) {
    parts = template.map((part) => part.replace(/\n\s+/g, "\n"));
    compacted.set(template, parts);
  }
  let markup = parts[0]!;
  contents.forEach((content, index) => {
    markup += render(content) + parts[index + 1]!;
  });
  return { markup };
}

function render(content: Content): string {
  if (content === null) return "";
  if (typeof content === "string") return escapeText(content);
  if (typeof content === "number") return String(rounded(content));
  if (isMarkup(content)) return content.markup;
  return content.map(render).join("");
}

function isMarkup(content: Markup | readonly Content[]): content is Markup {
  return "markup" in content;
}

/** Coordinates to a hundredth: a tenth of the bytes, and nobody can see the difference. */
function rounded(value: number): number {
  return Number.isFinite(value) ? Math.round(value * 100) / 100 : 0;
}

/** Safe in element content and in quoted attributes. Control characters are shown, not sent. */
export function escapeText(text: string): string {
  return text

    .replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, "\ufffd")
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    .replace(/>/g, "&gt;")
    .replace(/"/g, "&quot;")
    .replace(/'/g, "&#39;");
}

/** A table with a caption for readers that cannot see the picture beside it. */
export interface TableSpec {
  readonly caption: string;
  /** A heading that starts with `#` heads a column of numbers. */
  readonly head: readonly string[];
  readonly rows: readonly (readonly Content[])[];
}

/** A table that scrolls sideways in itself when the page is narrow. */
export function table(spec: TableSpec): Markup {
  const numeric = spec.head.map((title) => title.startsWith("#"));
  const head = spec.head.map((title, i) =>
    numeric[i] === true
      ? html`<th scope="col" class="num">${title.slice(1)}</th>`
      : html`<th scope="col">${title}</th>`,
  );
  const rows = spec.rows.map((cells) => {
    const row = cells.map((cell, i) =>
      i === 0 && numeric[0] !== true
        ? html`<th scope="row">${cell}</th>`
        : numeric[i] === true
          ? html`<td class="num">${cell}</td>`
          : html`<td>${cell}</td>`,
    );
    return html`<tr>
      ${row}
    </tr>`;
  });
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${spec.caption}">
    <table>
      <caption>
        ${spec.caption}
      </caption>
      <thead>
        <tr>
          ${head}
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </div>`;
}

/** A table behind a summary line. */
export function folded(summary: string, body: Markup): Markup {
  return html`<details>
    <summary>${summary}</summary>
    ${body}
  </details>`;
}

/** A part of the page. */
export function section(id: string, title: string, lead: Content, body: Content): Markup {
  const intro = lead === "" || lead === null ? null : html`<p class="lead">${lead}</p>`;
  return html`<section id="${id}" aria-labelledby="${id}-title">
    <h2 id="${id}-title">${title}</h2>
    ${intro} ${body}
  </section> `;
}
