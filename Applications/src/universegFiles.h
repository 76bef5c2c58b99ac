/*=========================================================================
 *
 *  Copyright itk-universeg developers
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         https://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#ifndef universegFiles_h
#define universegFiles_h

#include <string>
#include <vector>

namespace universeg
{
struct FilePair
{
  std::string image;
  std::string mask;
};

/** Order in which numbers inside names count as numbers: a2 before a10. */
bool NaturalLess(const std::string & a, const std::string & b);

/** Name without folder and without the extension of an image format (".nii.gz"
 * is one). */
std::string GetStem(const std::string & path);

/** ".png", ".nii.gz"; lower case. Empty when it is no image format. */
std::string GetImageExtension(const std::string & path);

/** Images of a folder, in natural order, without hidden files. Throws Failure
 * when the folder is missing. */
std::vector<std::string> ListImages(const std::string & folder);

/** Pairs of images and masks in a folder, in natural order of the images:
 * - subfolders images (or imagesTr) and labels, masks, segmentations (or
 *   labelsTr), with the same stems, the mask's optionally with a suffix;
 * - else files NAME.EXT and NAME<suffix>.EXT;
 * - else NAME.EXT and NAME.png.
 * Suffixes are _mask, _masks, _label, _labels, _seg, _segmentation, _gt and the
 * same with '-'.
 * Throws Failure when a file is left without its other half.
 * \param suffix the only suffix; further files about a paired image,
 * NAME_OTHER.EXT, are then passed over. */
std::vector<FilePair> FindPairs(const std::string & folder, const std::string & suffix = "");

/** The mask in a folder for an image or result of this name. Throws Failure when
 * there is none or more than one. */
std::string FindMask(const std::string & folder, const std::string & name, const std::string & suffix = "");

/** Throws Failure when an output is one of the input files, under whatever name. */
void CheckNotInput(const std::string & output, const std::vector<std::string> & inputs);

/** Two names of one file, be it there or not. */
bool IsSameFile(const std::string & a, const std::string & b);

/** Stem without one of the suffixes of masks. */
std::string GetSubject(const std::string & path, const std::string & suffix = "");
} // namespace universeg

#endif
