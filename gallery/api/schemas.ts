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

export interface FileToPresign {
  file_name: string;
  size: number;
  content_type?: string;
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

export interface ProblemItem {
  file_name: string;
  outcome: "rejected" | "failed";
  stage: string;
  reason: string;
  message: string;
  metadata: Metadata;
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
  problems: ProblemItem[];
  metadata: Metadata;
}

export interface LimitsAnswer {
  max_file_bytes: number;
  max_files: number;
  // Older servers do not have it.
  unsupported_kinds?: Record<string, string[]>;
  unsupported_extensions: string[];
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
