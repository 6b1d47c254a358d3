"""Reading and writing files, finding them in data sets, and the data resources that are fetched."""

from actionloop.files.alignment import align, align_map, align_prior
from actionloop.files.archive import read_archive, write_prior
from actionloop.files.atomic import atomic_path, clear_stale
from actionloop.files.bare import bare_geometry, bare_person
from actionloop.files.cifti import LabelMap, ScalarMaps, read_axis, read_cifti_scalar, read_cifti_series, read_label_map
from actionloop.files.coils import read_coil
from actionloop.files.coilwriting import write_coil
from actionloop.files.confounds import (
    MOTION_NAMES,
    Confounds,
    components_of,
    motion_parameters,
    read_confounds,
    require_frames,
)
from actionloop.files.dcan import RemovalMask, dcan_people, find_bare_folder, find_dcan, read_removal_masks
from actionloop.files.dicom import write_segmentation, write_target_series
from actionloop.files.dicomseries import DicomSeries, read_dicom_series, series_sha256
from actionloop.files.gmsh import read_mesh
from actionloop.files.gmshdata import MeshField, read_mesh_field
from actionloop.files.landmarks import read_fiducials
from actionloop.files.layouts import detect_layout, find_person, is_phantom, list_people
from actionloop.files.marks import Mark
from actionloop.files.masks import keep_frames, read_outliers
from actionloop.files.matlab import names_beside
from actionloop.files.names import network_colour, network_name
from actionloop.files.opening import side_in_name
from actionloop.files.outputs import Output, OutputFolder, columns, declared_outputs, outputs_table, source_dataset
from actionloop.files.overlays import lay_ribbon, side_statement, sphere_mask, write_overlay
from actionloop.files.parcels import read_ptseries
from actionloop.files.person import Layout, PersonFiles, RunFiles, SurfaceFiles
from actionloop.files.priors import read_network_map, read_prior, template_probability
from actionloop.files.provenance import file_sha256, provenance, shown_path, versions
from actionloop.files.resources import cache_folder, fetch, manifest, require, resource, status, terms
from actionloop.files.rows import SeriesRows, open_series
from actionloop.files.sameplace import require_same_place
from actionloop.files.selection import Selection, read_bids_filter
from actionloop.files.surfaces import MESH_NAMES, read_mesh_scalar, read_surface, read_surface_series
from actionloop.files.tables import network_rows, node_rows, site_rows, table_sidecar, target_rows
from actionloop.files.targetmeshes import sphere_mesh, write_target_gifti, write_target_stl
from actionloop.files.tedana import read_components
from actionloop.files.templates import (
    MNI_FRAME,
    Lemon,
    atlas,
    fsaverage_pial,
    fsaverage_sphere,
    read_lemon,
    schaefer_fc,
    standard_grayordinates_91k,
    template_anatomy,
    template_grayordinates,
    template_image,
)
from actionloop.files.tissuelabels import read_tissue_labels
from actionloop.files.tolerability import Rated, Tolerability, read_tolerability
from actionloop.files.transforms import AffineTransform, Toward, carry_pose, read_transform
from actionloop.files.volumes import header_sha256, read_image, voxels_sha256
from actionloop.files.volumeseries import VolumeRun, find_tedana, fmriprep_volumes, tedana_people
from actionloop.files.writing import (
    brain_models,
    write_dlabel,
    write_dscalar,
    write_dtseries,
    write_gifti_labels,
    write_gifti_scalar,
    write_gifti_surface,
    write_json,
    write_table,
    write_text,
)

__all__ = [
    "MESH_NAMES",
    "MNI_FRAME",
    "MOTION_NAMES",
    "AffineTransform",
    "Confounds",
    "DicomSeries",
    "LabelMap",
    "Layout",
    "Lemon",
    "Mark",
    "MeshField",
    "Output",
    "OutputFolder",
    "PersonFiles",
    "Rated",
    "RemovalMask",
    "RunFiles",
    "ScalarMaps",
    "Selection",
    "SeriesRows",
    "SurfaceFiles",
    "Tolerability",
    "Toward",
    "VolumeRun",
    "align",
    "align_map",
    "align_prior",
    "atlas",
    "atomic_path",
    "bare_geometry",
    "bare_person",
    "brain_models",
    "cache_folder",
    "carry_pose",
    "clear_stale",
    "columns",
    "components_of",
    "dcan_people",
    "declared_outputs",
    "detect_layout",
    "fetch",
    "file_sha256",
    "find_bare_folder",
    "find_dcan",
    "find_person",
    "find_tedana",
    "fmriprep_volumes",
    "fsaverage_pial",
    "fsaverage_sphere",
    "header_sha256",
    "is_phantom",
    "keep_frames",
    "lay_ribbon",
    "list_people",
    "manifest",
    "motion_parameters",
    "names_beside",
    "network_colour",
    "network_name",
    "network_rows",
    "node_rows",
    "open_series",
    "outputs_table",
    "provenance",
    "read_archive",
    "read_axis",
    "read_bids_filter",
    "read_cifti_scalar",
    "read_cifti_series",
    "read_coil",
    "read_components",
    "read_confounds",
    "read_dicom_series",
    "read_fiducials",
    "read_image",
    "read_label_map",
    "read_lemon",
    "read_mesh",
    "read_mesh_field",
    "read_mesh_scalar",
    "read_network_map",
    "read_outliers",
    "read_prior",
    "read_ptseries",
    "read_removal_masks",
    "read_surface",
    "read_surface_series",
    "read_tissue_labels",
    "read_tolerability",
    "read_transform",
    "require",
    "require_frames",
    "require_same_place",
    "resource",
    "schaefer_fc",
    "series_sha256",
    "shown_path",
    "side_in_name",
    "side_statement",
    "site_rows",
    "source_dataset",
    "sphere_mask",
    "sphere_mesh",
    "standard_grayordinates_91k",
    "status",
    "table_sidecar",
    "target_rows",
    "tedana_people",
    "template_anatomy",
    "template_grayordinates",
    "template_image",
    "template_probability",
    "terms",
    "versions",
    "voxels_sha256",
    "write_coil",
    "write_dlabel",
    "write_dscalar",
    "write_dtseries",
    "write_gifti_labels",
    "write_gifti_scalar",
    "write_gifti_surface",
    "write_json",
    "write_overlay",
    "write_prior",
    "write_segmentation",
    "write_table",
    "write_target_gifti",
    "write_target_series",
    "write_target_stl",
    "write_text",
]
