import cv2
import numpy as np
import pytest
from skimage import data

from gan_models.images.faces import CROPS, find_faces, measured
from gan_models.inversion import AlignFace, InpaintFace
from gan_models.inversion.align import framed

PORTRAIT = data.astronaut()[:300, 80:380]
THREE = np.concatenate([PORTRAIT] * 3, 1)


def cut_out(picture, model="faces-compact", **asked):
    """Return a face of `picture`, with a mask if one is asked for."""
    task = InpaintFace if "mask" in asked else AlignFace
    return framed(task.ask(image=picture, model=model, **asked))


def test_the_square_has_the_training_sets_framing():
    found = cut_out(PORTRAIT, "faces-compact")
    assert found.found == 1
    assert found.detector == "Haar cascades"
    side = found.square.shape[0]
    assert found.square.shape == (side, side, 3)
    face = measured(cv2.resize(found.square, (128, 128)))
    assert np.hypot(*(face.left_eye - (37, 37.5))) < 10
    assert np.hypot(*(face.mouth - (63, 93.5))) < 12


def test_ffhqs_weights_get_ffhqs_framing():
    loose, tight = (cut_out(PORTRAIT, model).square.shape[0] for model in ("ffhq-1024", "faces-compact"))
    assert loose > 1.4 * tight


def test_a_mask_is_cut_with_the_picture():
    picture, mask = PORTRAIT.copy(), np.zeros(PORTRAIT.shape[:2], bool)
    mask[110:130, 110:180] = True
    plain = cut_out(picture, "faces-compact", mask=mask)
    picture[mask] = (0, 255, 0)
    face = find_faces(PORTRAIT)[0]
    from gan_models.images.faces import cut

    green = cut(picture, face, CROPS["utkface"], plain.square.shape[0])
    assert plain.mask.shape == green.shape[:2]
    marked = (green[:, :, 1].astype(int) - green[:, :, 0]) > 128
    assert (plain.mask == marked).mean() > 0.97


def test_which_face():
    assert cut_out(THREE, "faces-compact", face=3).found == 3
    with pytest.raises(ValueError, match="no face 4 here: 3 faces found"):
        cut_out(THREE, "faces-compact", face=4)
    with pytest.raises(ValueError, match="Face must be at least 1"):
        cut_out(THREE, "faces-compact", face=0)


def test_no_face_and_the_way_on():
    with pytest.raises(ValueError, match="No face was found in this picture; to go on with its middle square"):
        cut_out(data.coffee(), "faces-compact")
    middle = cut_out(data.coffee(), "faces-compact", framing="middle")
    assert middle.square.shape == (400, 400, 3)
    assert middle.found is None


def test_a_mask_of_another_size():
    with pytest.raises(ValueError, match="picture's own size, 300 × 300 pixels"):
        cut_out(PORTRAIT, "faces-compact", mask=np.zeros((10, 10), bool))


def test_no_such_framing():
    with pytest.raises(ValueError, match="Framing must be one of face, middle"):
        cut_out(PORTRAIT, "faces-compact", framing="whole")
