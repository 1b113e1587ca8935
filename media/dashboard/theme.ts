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
  grid: '--vscode-charts-lines',
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
  grid: '#88888844',
};

let cache = new Map<ColorName, string>();

export function color(name: ColorName): string {
  let value = cache.get(name);
  if (value === undefined) {
    value = getComputedStyle(document.body).getPropertyValue(variables[name]).trim() || fallbacks[name];
    cache.set(name, value);
  }
  return value;
}

/** For `style` bindings of elements, which follow the theme by themselves. */
export function cssColor(name: ColorName): string {
  return `var(${variables[name]}, ${fallbacks[name]})`;
}

/** VS Code changes classes and data attributes of the body, and the variables of the root, when the theme changes. */
export function onThemeChange(listener: () => void): void {
  const observer = new MutationObserver(() => {
    cache = new Map();
    listener();
  });
  observer.observe(document.body, { attributes: true, attributeFilter: ['class', 'data-vscode-theme-id', 'data-vscode-theme-kind'] });
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ['style'] });
}
