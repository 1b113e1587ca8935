/** Colours a chart may use, by role. A canvas cannot read CSS variables, so they are looked up when drawing. */
const variables = {
  blue: '--vscode-charts-blue',
  green: '--vscode-charts-green',
  orange: '--vscode-charts-orange',
  purple: '--vscode-charts-purple',
  red: '--vscode-charts-red',
  yellow: '--vscode-charts-yellow',
  foreground: '--vscode-foreground',
  muted: '--vscode-descriptionForeground',
  background: '--vscode-editor-background',
} as const;
export type ColorName = keyof typeof variables;

const fallbacks: Record<ColorName, string> = {
  blue: '#3794ff',
  green: '#89d185',
  orange: '#d18616',
  purple: '#b180d7',
  red: '#f14c4c',
  yellow: '#cca700',
  foreground: '#888888',
  muted: '#888888',
  background: 'transparent',
};

let cache = new Map<ColorName, string>();

/** A colour of the theme as text. Series are opaque: some themes give `charts.orange` an alpha meant for the minimap. */
export function color(name: ColorName): string {
  let value = cache.get(name);
  if (value === undefined) {
    const found = getComputedStyle(document.body).getPropertyValue(variables[name]).trim() || fallbacks[name];
    value = opaque(found);
    cache.set(name, value);
  }
  return value;
}

function opaque(value: string): string {
  if (/^#[0-9a-f]{8}$/i.test(value)) return value.slice(0, 7);
  return value.replace(/^rgba\(([^,]+,[^,]+,[^,]+),[^)]+\)$/i, 'rgb($1)');
}

/** Lines behind the data: there when looked for, whatever the theme. */
export function gridColor(): string {
  return `color-mix(in srgb, ${color('foreground')} 16%, transparent)`;
}

/** VS Code changes classes and data attributes of the body, and the variables of the root, when the theme changes. Returns the way to stop listening. */
export function onThemeChange(listener: () => void): () => void {
  const observer = new MutationObserver(() => {
    cache = new Map();
    listener();
  });
  observer.observe(document.body, { attributes: true, attributeFilter: ['class', 'data-vscode-theme-id', 'data-vscode-theme-kind'] });
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ['style'] });
  return () => observer.disconnect();
}
