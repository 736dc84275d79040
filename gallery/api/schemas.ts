/* The types of schemas.py's bodies that the upload page sends and reads. Only the type check reads this file. */

type Metadata = Record<string, unknown>;

export type UploadState =
  | "open"
  | "accepted"
  | "running"
  | "completed"
  | "completed_with_rejects"
  | "failed"
  | "cancelled"
  | "crashed"
  | "expired";
export type WaitsFor = "restart" | "prefect" | "paused" | "worker" | "place" | "start";
export type Outcome = "saved" | "replaced" | "unchanged" | "superseded" | "rejected" | "failed";

export type Choice = "replace" | "keep_both" | "skip";

export interface FileToCompare {
  file_name: string;
  size: number;
  sha256?: string | null;
}

export interface ComparedFile {
  file_name: string;
  would: "add" | "replace" | "leave_unchanged" | "unknown";
  sha256: string | null;
  image_id: string | null;
  same_content_as: string[];
  recipe: "current" | "former" | null;
  hash_wanted: boolean;
  under_way_as: string[];
  same_content_under_way: string[];
}

export interface CompareAnswer {
  files: ComparedFile[];
}

export interface FileToPresign {
  file_name: string;
  size: number;
  content_type?: string | null;
  expect?: string | null;
  metadata?: Metadata;
}

export interface PresignedFile {
  file_name: string;
  key: string;
  method: string;
  url: string;
  fields: Record<string, string>;
  headers: Record<string, string>;
}

export interface PresignAnswer {
  upload_id: string;
  files: PresignedFile[];
  expires_at: string;
}

export interface AcceptedAnswer {
  upload_id: string;
  state: UploadState;
  status_url: string;
}

export interface FileToDecide {
  file_name: string;
  choice: Choice;
}

export interface DecideRequest {
  files?: FileToDecide[];
  choice?: Choice | null;
}

export interface DecidedFile {
  file_name: string;
  choice: Choice;
  new_name: string | null;
}

export interface DecidedAnswer {
  upload_id: string;
  state: UploadState;
  status_url: string;
  files: DecidedFile[];
}

// One of a problem's `errors`: a file that a request was refused for.
export type FaultyFile = { index: number; file_name: string; code: string; message: string };

export interface ProblemItem {
  file_name: string;
  outcome: "rejected" | "failed";
  stage: string;
  reason: string;
  message: string;
  metadata: Metadata;
}

export interface Conflict {
  image_id: string;
  sha256: string;
}

export interface EntryAnswer {
  number: number;
  file_name: string;
  size: number | null;
  outcome: Outcome | null;
  stage: string | null;
  reason: string | null;
  message: string | null;
  // Older servers do not have it.
  notes?: string[];
  image_id: string | null;
  conflict: Conflict | null;
  metadata: Metadata;
}

export interface EntriesAnswer {
  entries: EntryAnswer[];
  next_cursor: string | null;
}

export interface WaitingAnswer {
  for: WaitsFor;
  uploads_before: number;
}

export interface StatusAnswer {
  upload_id: string;
  gallery_id: string;
  state: UploadState;
  // Older servers do not have it.
  waiting?: WaitingAnswer | null;
  flow_run_id: string | null;
  flow_run_url: string | null;
  image_count: number;
  counts: Record<Outcome | "pending", number>;
  // Older servers do not have it.
  to_decide?: number;
  // Older servers do not have it.
  notes?: Record<string, number>;
  problems: ProblemItem[];
  metadata: Metadata;
}

export interface LimitsAnswer {
  max_file_bytes: number;
  max_files: number;
  // Older servers do not have it.
  unsupported_kinds?: Record<string, string[]>;
  unsupported_extensions: string[];
  // Older servers do not have it.
  keep_replaced_days?: number;
}

export interface RenditionAnswer {
  url: string;
  width: number;
  height: number;
  bytes: number;
  content_type: string;
}

export interface ImageAnswer {
  image_id: string;
  file_name: string;
  upload_id: string;
  width: number;
  height: number;
  source_format: string;
  captured_at: string | null;
  placeholder: { colour: string; thumbhash: string } | null;
  metadata: Metadata;
  renditions: Record<string, RenditionAnswer>;
}

export interface ImagesAnswer {
  images: ImageAnswer[];
  next_cursor: string | null;
}

export interface VersionAnswer {
  version_id: string;
  sha256: string;
  size: number;
  width: number;
  height: number;
  upload_id: string;
  created_at: string;
  superseded_at: string | null;
  is_current: boolean;
  kept_until: string | null;
  renditions: Record<string, RenditionAnswer>;
}

export interface RestoreRequest {
  expect?: string | null;
}

export interface VersionsAnswer {
  versions: VersionAnswer[];
}
