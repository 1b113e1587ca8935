/** Types of `readmePictures.mjs`, for the tests. */
export declare function withPictures(readme: string, root: string, baseUrl: string | undefined): string;
