/** What an application sees of the package: types alone, from which the build makes its declarations. */

/** Whether the visitor agreed: to nothing, to being counted, or to an id that the browser keeps. */
export type Consent = 'denied' | 'counting' | 'granted';

/** What belongs to an event: names and plain values, nothing that names a person. */
export type Props = Readonly<Record<string, string | number | boolean | null>>;

/** How a site is recorded. */
export interface Options {
  /** Address of the collector: `https://stats.example.org`. */
  readonly host: string;
  /** The site's key, from its install page. */
  readonly key: string;
  /** Load what watches forms, selections, downloads, web vitals and the like. Default: true. */
  readonly signals?: boolean;
  /** Query parameters that are part of a page's address, by name. The others never leave the browser. Default: none. */
  readonly params?: readonly string[];
  /** Count what follows `#` in the address as part of the page. Default: false. */
  readonly hashRoutes?: boolean;
  /** Record nothing before `consent('counting')` or `consent('granted')`. Default: false. */
  readonly consentFirst?: boolean;
  /** Record nobody whose browser sends Global Privacy Control or Do Not Track. Default: true. */
  readonly honourGpc?: boolean;
}

/** What a site can say to its recording; on a server all of it does nothing. */
export interface Jalki {
  /** Records that something happened. */
  event(name: string, props?: Props): void;
  /** Names the variant of a test that this visitor sees. */
  variant(name: string, value: string): void;
  /** Says what the visitor agreed to. */
  consent(consent: Consent): void;
  /** Ends the recording of this page. It begins again when the page is loaded anew. */
  stop(): void;
}

/** Begins to record, once a page however often it is called, and returns what the site can say to the recording. */
export type Init = (options: Options) => Jalki;
