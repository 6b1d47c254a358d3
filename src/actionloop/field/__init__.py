"""Coils, head models, the electric field in a head, and reciprocity."""

from actionloop.field.build import build_head
from actionloop.field.carry import carry_head
from actionloop.field.coils import casing_of, figure_of_eight, find_coil, round_coil
from actionloop.field.dipoles import dipole_coil
from actionloop.field.elements import ElementField, Sampled, grey_elements, require_same_head, sample_elements
from actionloop.field.labels import choose_labels, head_from_labels, head_from_mesh, known_labels
from actionloop.field.layered import element_distances, sphere_field, sphere_fields
from actionloop.field.model import AIR, CSF, GREY, SCALP, SKULL, TISSUES, WHITE, HeadModel, conductivities
from actionloop.field.primary import primary_field, primary_field_on_lattice
from actionloop.field.reader import Reader
from actionloop.field.reciprocity import adjoint_currents
from actionloop.field.sanity import check_head
from actionloop.field.solver import FieldSolver
from actionloop.field.tables import FieldTable

__all__ = [
    "AIR",
    "CSF",
    "GREY",
    "SCALP",
    "SKULL",
    "TISSUES",
    "WHITE",
    "ElementField",
    "FieldSolver",
    "FieldTable",
    "HeadModel",
    "Reader",
    "Sampled",
    "adjoint_currents",
    "build_head",
    "carry_head",
    "casing_of",
    "check_head",
    "choose_labels",
    "conductivities",
    "dipole_coil",
    "element_distances",
    "figure_of_eight",
    "find_coil",
    "grey_elements",
    "head_from_labels",
    "head_from_mesh",
    "known_labels",
    "primary_field",
    "primary_field_on_lattice",
    "require_same_head",
    "round_coil",
    "sample_elements",
    "sphere_field",
    "sphere_fields",
]
